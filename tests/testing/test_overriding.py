"""A standard test that is overridden without saying why fails, and one that says why is expected to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from cthulhu_core.testing import CallbackContract
from nested import Reports, run_tests

META = "test_standard_tests_stand_as_they_are"


def reports_of(folder: Path, body: str) -> Reports:
    source = f"""
import pytest
from cthulhu_core.testing import CallbackContract
from faults.logs import RoundsTheLogs

class Base(CallbackContract):
    def make(self):
        return RoundsTheLogs()

class TestMine(Base):
{body}
"""
    return run_tests(folder / "nested", source, "-k", f"{META} or test_values_of_others_stay or test_zero or test_own")


@pytest.mark.parametrize(
    "body",
    [
        "    def test_values_of_others_stay(self): ...",
        "    test_values_of_others_stay = None",
        "    test_values_of_others_stay = property()",
        "    @pytest.mark.skip(reason='it rounds')\n    def test_values_of_others_stay(self): ...",
        "    @pytest.mark.xfail\n    def test_values_of_others_stay(self): assert False",
        "    @pytest.mark.xfail(reason=' ')\n    def test_values_of_others_stay(self): assert False",
    ],
    ids=["replaced", "deleted", "a property", "skipped", "without a reason", "with an empty reason"],
)
def test_overriding_without_a_reason_fails(body: str, tmp_path: Path) -> None:
    reports = reports_of(tmp_path, body)
    assert reports.outcomes[META] == "failed"
    assert reports.messages[META].splitlines() == [
        "TestMine overrides test_values_of_others_stay.",
        "",
        "  A replaced standard test proves nothing. If it cannot pass, mark it with the reason:",
        "",
        '      @pytest.mark.xfail(reason="...")',
        "      def test_values_of_others_stay(self):",
        "          super().test_values_of_others_stay()",
    ]


def test_overriding_with_a_reason_is_expected_to_fail(tmp_path: Path) -> None:
    reports = reports_of(
        tmp_path,
        "    @pytest.mark.xfail(reason='rounds on purpose')\n"
        "    def test_values_of_others_stay(self): super().test_values_of_others_stay()",
    )
    assert reports.outcomes == {
        META: "passed",
        "test_values_of_others_stay": "xfailed",
        "test_zero_epochs_are_a_training": "passed",
    }


def test_tests_of_ones_own_stand_beside_the_standard_ones(tmp_path: Path) -> None:
    reports = reports_of(tmp_path, "    def test_own(self): assert self.make()")
    assert reports.outcomes[META] == "passed"
    assert reports.outcomes["test_own"] == "passed"


def test_overriding_the_test_of_overriding_is_an_error_at_once() -> None:
    with pytest.raises(TypeError, match=rf"Mine\.{META} cannot be overridden"):
        type("Mine", (CallbackContract,), {META: None})
