"""Training on torch: the loop, where its batches come from, and what the names of losses, metrics and optimizers mean."""
