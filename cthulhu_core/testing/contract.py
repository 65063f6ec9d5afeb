"""The standard tests of a callback, as a class to subclass. The tests themselves are in its bases."""

from __future__ import annotations

from cthulhu_core.testing.cost import Cost
from cthulhu_core.testing.ending import Ending
from cthulhu_core.testing.files import Files
from cthulhu_core.testing.importing import Importing
from cthulhu_core.testing.lifecycle import Lifecycle
from cthulhu_core.testing.overriding import Overriding
from cthulhu_core.testing.ranks import Ranks
from cthulhu_core.testing.state import State
from cthulhu_core.testing.values import Values


# pytest runs the tests of the last base first: importing comes before training, and training before its cost.
class CallbackContract(Overriding, Cost, Ranks, Files, Values, State, Ending, Lifecycle, Importing):
    """The standard tests of a callback. Subclass it in a test file, and define how the callback is made.

    ``make`` is called in an empty folder, once or twice in each test. The attributes of
    :class:`cthulhu_core.testing.subject.Subject` declare what is special about a callback. Override a test that cannot
    pass, and mark it with ``@pytest.mark.xfail(reason="...")``; overriding it without the mark is a failure.

    Example:
        >>> class TestCSVLogger(CallbackContract):
        ...     def make(self):
        ...         return CSVLogger("log.csv")
    """
