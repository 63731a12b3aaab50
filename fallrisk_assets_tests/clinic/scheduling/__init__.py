"""Tests of the external scheduling API."""
