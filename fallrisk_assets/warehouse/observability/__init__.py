"""What the house knows of itself, as rows that people can query."""
