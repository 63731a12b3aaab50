"""The clinic's running, judged by rules: their states by day, and the alerts that follow."""
