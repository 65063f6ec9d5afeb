"""The command line. Each command is a module; ``main.py`` lists them."""
