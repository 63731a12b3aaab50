"""Events: what became of each stage, told to other systems."""
