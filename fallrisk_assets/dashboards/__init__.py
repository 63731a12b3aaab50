"""Pages for people: one self-contained HTML page for each UTC day, and an index of the days."""
