"""A test that no standard test is silently overridden."""

from __future__ import annotations

from typing import Any

import pytest

from cthulhu_core.testing.subject import Subject

_ITSELF = "test_standard_tests_stand_as_they_are"


class Overriding(Subject):
    """No standard test is silently overridden."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if _ITSELF in vars(cls):
            raise TypeError(f"{cls.__name__}.{_ITSELF} cannot be overridden: override the test that you mean")

    def test_standard_tests_stand_as_they_are(self) -> None:
        """Tests that are overridden have an ``xfail`` mark with a reason."""
        wrong = [name for name, standard in _standard(type(self)).items() if not _stands(type(self), name, standard)]
        if wrong:
            pytest.fail(
                f"{type(self).__name__} overrides {', '.join(wrong)}.\n\n"
                "  A replaced standard test proves nothing. If it cannot pass, mark it with the reason:\n\n"
                '      @pytest.mark.xfail(reason="...")\n'
                f"      def {wrong[0]}(self):\n"
                f"          super().{wrong[0]}()\n",
                pytrace=False,
            )


def _standard(kind: type) -> dict[str, object]:
    """Return the standard tests by name: those of classes in this package."""
    found: dict[str, object] = {}
    for each in kind.__mro__:
        if each.__module__.startswith("cthulhu_core.testing."):
            found |= {name: value for name, value in vars(each).items() if name.startswith("test_")} | found
    return found


def _stands(kind: type, name: str, standard: object) -> bool:
    actual = getattr(kind, name, None)
    if actual is standard:
        return True
    marks = getattr(actual, "pytestmark", ())
    return callable(actual) and any(mark.name == "xfail" and mark.kwargs.get("reason", "").strip() for mark in marks)
