"""Who will probably not come: a probability for each appointment ahead, from what its booking told."""
