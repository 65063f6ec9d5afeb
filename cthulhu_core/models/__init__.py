"""Models that train themselves: Lump (any module), Pile (a list of layers), and the layers of a Pile."""
