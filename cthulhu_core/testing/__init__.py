"""What an author tests a callback with: the contract, which says what every callback owes, and fixtures.

Nothing of cthulhu imports this package, and pytest loads none of it by itself. It needs pytest.
"""

from __future__ import annotations

try:
    import pytest as _pytest  # noqa: F401
except ImportError as error:  # pragma: no cover
    raise ImportError('cthulhu_core.testing needs pytest: pip install "cthulhu-core[testing]"') from error

from cthulhu_core.testing.contract import CallbackContract

__all__ = ["CallbackContract"]
