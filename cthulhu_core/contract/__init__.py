"""The contract between a training loop and everything that takes part in it."""
