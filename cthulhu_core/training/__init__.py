"""Training on torch: the loop, its batches, and what the names of losses, metrics and optimizers mean."""
