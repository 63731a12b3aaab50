"""The clinic's own database (PostgreSQL, Amazon RDS) as a source: read incrementally, dropped as files."""
