"""Training: the loop, the optimiser, and weights on disk."""
