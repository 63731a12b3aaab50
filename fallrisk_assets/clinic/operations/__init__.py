"""What the clinic does: providers, appointments and feedback, from the clinic's own files."""
