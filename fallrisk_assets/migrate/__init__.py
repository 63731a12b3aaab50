"""Moving a lakehouse from one environment to another, with proof that both hold the same.

    python -m fallrisk_assets.migrate local aws

Belongs here: what is copied, in which order, and how equality is proven. Does not belong here: where an
environment's resources are (`environments`), how rows are made. `docs/migration.md` leads through a move.
"""
