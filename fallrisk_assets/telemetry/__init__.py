"""From a device's drop to clean samples, a quarantine and an hour's coverage."""
