"""What ``cthulhu new`` and ``cthulhu check`` use."""
