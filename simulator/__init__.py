"""Seeded devices, wearers and clinic files that behave like the real ones, with the truth written beside.

What belongs here: making input (cohorts, faults, live drops, replay of recordings). What does not: anything
that reads the lake; the product never imports this package, only tests, demos and benchmarks do.
"""
