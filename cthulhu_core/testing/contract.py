"""CallbackContract: what every callback owes, as a class that an author subclasses. The tests are in its bases."""

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
    """The standard tests of a callback: subclass it in a file of tests, and say how the callback is made.

    ``make`` is called in an empty folder, once or twice in each test. What an author may declare beside it are the
    attributes of :class:`cthulhu_core.testing.subject.Subject`. A standard test that cannot pass is overridden with
    ``@pytest.mark.xfail(reason="...")``; without that, overriding it fails.

    Example:
        >>> class TestCSVLogger(CallbackContract):
        ...     def make(self):
        ...         return CSVLogger("log.csv")
    """
