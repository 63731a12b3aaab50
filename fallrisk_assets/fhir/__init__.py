"""FHIR R4 (4.0.1): every patient-day as a transaction bundle, and the same resources as NDJSON.

Here: the mapping of our tables to resources, their checks and their files. Not here: where the numbers come
from (`mobility/`, `risk/`, `alerts/`, `clinic/`).
"""
