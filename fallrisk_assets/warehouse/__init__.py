"""The warehouse: dimensions with history, facts of a day, and views that join them as of the event."""
