"""Mobility: what movement says, from clean samples: windows and their features, gait day by day."""
