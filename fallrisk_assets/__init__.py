"""A data lakehouse for remote fall-risk monitoring, as Dagster assets.

What belongs here: the code location. Each domain is a folder with its tables (`contract.py`), its
logic (plain functions) and its Dagster skin (`assets.py`); `definitions.py` binds them.
"""
