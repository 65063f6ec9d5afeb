"""Models that train themselves: Lump, Pile, and the layers of a Pile."""
