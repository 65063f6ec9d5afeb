"""The rules of ``cthulhu check`` for installed packages.

``package.py`` reads a package. The rules are in ``metadata.py``, ``offers.py``, ``hooks.py``, ``sources.py`` and
``imports.py``: functions from a package to findings. ``rules.py`` lists them, and ``cli/check.py`` prints the findings.
"""
