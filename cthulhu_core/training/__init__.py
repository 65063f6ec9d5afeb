"""Training on torch: the loop, its batches, and the names of losses, metrics and optimizers."""
