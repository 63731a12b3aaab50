"""Mobility: what a person's movement says, from clean samples: windows and their features, gait day by day."""
