"""Variants measured in turn, so that a change in the machine's speed meets all of them; what is made of their times."""

from __future__ import annotations

import statistics
from collections.abc import Callable


def alternate(*variants: Callable[[], float], rounds: int) -> list[list[float]]:
    """What each variant gave in each round; every second round goes backwards, and a first one is not counted."""
    for variant in variants:
        variant()
    measured: list[list[float]] = [[] for _ in variants]
    for number in range(rounds):
        order = list(zip(variants, measured, strict=True))
        for variant, values in order if number % 2 else reversed(order):
            values.append(variant())
    return measured


def ratio(values: list[float], baseline: list[float]) -> float:
    """The median of the ratios of neighbours."""
    return statistics.median(value / base for value, base in zip(values, baseline, strict=True))


def difference(values: list[float], baseline: list[float]) -> float:
    """The median of the differences of neighbours."""
    return statistics.median(value - base for value, base in zip(values, baseline, strict=True))
