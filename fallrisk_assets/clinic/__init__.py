"""The clinic: patients, their devices and whom to call, from the clinic's own files."""
