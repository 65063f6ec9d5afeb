"""One run: its state, its participants, and the hooks they get."""
