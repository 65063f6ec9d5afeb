"""Measure variants in turn, so that a change in the machine's speed affects all of them, and compare their times."""

from __future__ import annotations

import statistics
from collections.abc import Callable


def alternate(*variants: Callable[[], float], rounds: int) -> list[list[float]]:
    """Return the result of each variant in each round. Every second round is reversed, and the first is a warm-up."""
    for variant in variants:
        variant()
    measured: list[list[float]] = [[] for _ in variants]
    for number in range(rounds):
        order = list(zip(variants, measured, strict=True))
        for variant, values in order if number % 2 else reversed(order):
            values.append(variant())
    return measured


def ratio(values: list[float], baseline: list[float]) -> float:
    """Return the median of the ratios of neighbouring measurements."""
    return statistics.median(value / base for value, base in zip(values, baseline, strict=True))


def difference(values: list[float], baseline: list[float]) -> float:
    """Return the median of the differences of neighbouring measurements."""
    return statistics.median(value - base for value, base in zip(values, baseline, strict=True))
