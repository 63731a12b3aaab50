"""The clinic's lakehouse on AWS: one module for each stack."""
