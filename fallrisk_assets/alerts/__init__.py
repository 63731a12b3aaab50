"""Alerts: from detected falls, device states and the risk index to a person who was told, exactly once."""
