"""The logic of ``cthulhu new`` and ``cthulhu check``."""
