"""Training on torch: the loop, its batches, losses, metrics and optimizers."""
