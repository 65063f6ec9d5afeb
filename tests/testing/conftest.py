"""The fixtures, as an author takes them."""

from cthulhu_core.testing.fixtures import (  # noqa: F401
    failing_disk,
    failing_network,
    fake_clock,
    recorder,
    tiny_model,
    tiny_run,
    two_ranks,
)
