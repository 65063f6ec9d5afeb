"""The command line. A command is one module of this package; main.py lists them."""
