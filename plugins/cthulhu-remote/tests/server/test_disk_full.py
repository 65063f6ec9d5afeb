"""A disk that is full is said to be, keeps what it has, and takes more when there is room again."""

from __future__ import annotations

import pytest

resource = pytest.importorskip("resource")

LIMIT = 600 * 1024


def give(monitor, size):
    """Say how large the files of the server may be."""
    resource.prlimit(monitor.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs a system that can give a process more room")
def test_what_does_not_fit_is_refused_and_taken_later(start):
    monitor = start()
    give(monitor, LIMIT)
    text = "x" * 9000
    statuses = []
    while 503 not in statuses:
        answer = monitor.publish("run", {"epoch": len(statuses), "text": text}, first=len(statuses))
        statuses.append(answer.status_code)
    full = len(statuses) - 1
    assert statuses == [204] * full + [503]
    assert full > 10
    assert answer.json()["reason"].startswith("the server cannot write to its store 'store.sqlite3' (")
    assert set(monitor.values("run")) == {(epoch, None) for epoch in range(full)}
    assert monitor.publish("run", {"epoch": full, "text": text}, first=full).status_code == 503
    give(monitor, resource.RLIM_INFINITY)
    assert monitor.publish("run", {"epoch": full, "text": text}, first=full).status_code == 204
    assert set(monitor.values("run")) == {(epoch, None) for epoch in range(full + 1)}
    assert monitor.end() == (0, "", "")
