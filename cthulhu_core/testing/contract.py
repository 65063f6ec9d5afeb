"""CallbackContract: what every callback owes, as a class that an author subclasses. The tests are in its bases."""

from __future__ import annotations

from cthulhu_core.testing.lifecycle import Lifecycle


class CallbackContract(Lifecycle):
    """The standard tests of a callback.

    Example:
        >>> class TestCSVLogger(CallbackContract):
        ...     def make(self):
        ...         return CSVLogger("log.csv")
    """
