"""What lies ahead of the clinic, as rows that people can query."""
