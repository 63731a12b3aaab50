"""The clinic's operations in the warehouse: who works, which visits there were, what they came to."""
