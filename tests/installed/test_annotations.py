"""What of a TOML file fits an annotation, and what is said where it does not."""

from __future__ import annotations

import os
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Optional, Union

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cthulhu_core.installed.annotations import Unfit, convert, hints


@pytest.mark.parametrize(
    ("value", "annotation", "converted"),
    [
        ("a", str, "a"),
        (1, int, 1),
        (1, float, 1),
        (1.5, float, 1.5),
        (True, bool, True),
        (1, Optional[int], 1),  # noqa: UP045 - as authors write it
        ("a", Union[int, str], "a"),  # noqa: UP007
        ("a", int | str, "a"),
        ("run/log", str | os.PathLike[str], "run/log"),
        ("run/log", os.PathLike[str] | str, "run/log"),
        ("run/log", Path, Path("run/log")),
        ("run/log", Path | None, Path("run/log")),
        ("batch", int | Literal["batch", "epoch"], "batch"),
        ([1, 2], Sequence[int], [1, 2]),
        ([1, 2], Iterable[int], [1, 2]),
        ([1, 2], list[int], [1, 2]),
        ([1, 2], tuple[int, int], (1, 2)),
        ([1, 2, 3], tuple[int, ...], (1, 2, 3)),
        ([3.05, 10.0], float | tuple[float, float], (3.05, 10.0)),
        (["a", "a"], frozenset[str], frozenset({"a"})),
        (["a"], set, {"a"}),
        (["a", 1], list, ["a", 1]),
        ({"a": "b"}, Mapping[str, str], {"a": "b"}),
        ({"a": [1]}, dict[str, tuple[int]], {"a": (1,)}),
        (date(2026, 1, 2), date, date(2026, 1, 2)),
        ("x", Annotated[str, "a note"], "x"),
        ({"a": 1}, Any, {"a": 1}),
        ("x", object, "x"),
        ("x", typing.TypeVar("T"), "x"),
    ],
)
def test_value_that_fits_is_given_as_the_parameter_takes_it(value: Any, annotation: Any, converted: Any) -> None:
    found = convert(value, annotation)
    assert found == converted
    assert type(found) is type(converted)


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        ("1", int, "an integer"),
        (True, int, "an integer"),
        (1.0, int, "an integer"),
        (True, float, "a number"),
        (1, bool, "true or false"),
        (1, str, "a string"),
        (["a"], str, "a string"),
        ("a", int | None, "an integer"),
        ([], int | str, "an integer or a string"),
        ("x", int | Literal["batch", "epoch"], "an integer or 'batch' or 'epoch'"),
        (True, Literal[1], "1"),
        ("abc", Sequence[str], "a list"),
        ([1], Sequence[str], "a list, each element of which is a string"),
        ([1], tuple[int, int], "a list of 2"),
        (["a"], Mapping[str, str], "a table"),
        ({"a": 1}, Mapping[str, str], "a string"),
        ({"a": 1}, list[str], "a list"),
        (1, Path, "a path, as a string"),
        (datetime(2026, 1, 2), date, "a date"),
        ("print", Callable[[], None], "a Callable, which only Python can make: pass it in the script"),
        (90, timedelta, "a timedelta, which only Python can make: pass it in the script"),
    ],
)
def test_value_that_does_not_fit_is_refused_with_what_would(value: Any, annotation: Any, expected: str) -> None:
    with pytest.raises(Unfit) as raised:
        convert(value, annotation)
    assert str(raised.value) == expected


toml = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None)
@given(toml)
def test_unannotated_values_are_left_as_they_are(value: Any) -> None:
    assert convert(value, Any) is value


@settings(deadline=None)
@given(toml)
def test_what_is_accepted_is_of_one_of_the_types(value: Any) -> None:
    annotation = bool | int | list[int] | dict[str, str]
    fits = (
        type(value) in (bool, int)
        or (isinstance(value, list) and all(type(each) is int for each in value))
        or (isinstance(value, dict) and all(isinstance(each, str) for each in value.values()))
    )
    try:
        assert convert(value, annotation) == value
    except Unfit:
        assert not fits
    else:
        assert fits


def test_annotation_that_cannot_be_resolved_says_nothing_and_hides_no_other() -> None:
    class Partly:
        def __init__(self, model: Unknown, size: int) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert hints(Partly) == {"model": Any, "size": int, "return": None}


def test_class_without_annotations_has_no_hints() -> None:
    class Bare:
        def __init__(self, size=1): ...

    assert hints(Bare) == {}
