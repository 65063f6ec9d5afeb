"""The arguments: what is documented works, and what cannot work is refused before training."""

from __future__ import annotations

import inspect

import pytest

from cthulhu.callbacks import RemoteMonitor


def test_documented_arguments_have_the_documented_defaults():
    parameters = list(inspect.signature(RemoteMonitor).parameters.values())
    documented = [(parameter.name, parameter.default) for parameter in parameters[:5]]
    assert documented == [
        ("root", "http://localhost:9000"), ("path", "/publish/epoch/end/"), ("field", "data"), ("headers", None),
        ("send_as_json", False),
    ]  # fmt: skip
    assert {parameter.kind for parameter in parameters[5:]} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"root": 9000}, TypeError, r"root=9000\): expected the address of a server, e.g. 'http://localhost:9000'"),
        ({"root": "localhost:9000"}, ValueError, "beginning with http:// or https://"),
        ({"root": "http://"}, ValueError, "expected the address of a server"),
        ({"root": "http://host:port"}, ValueError, "expected the address of a server"),
        ({"root": "http://[::1"}, ValueError, "expected the address of a server"),
        ({"path": None}, TypeError, "expected a path below root"),
        ({"field": ""}, ValueError, "expected the name of a form field"),
        ({"field": 1}, TypeError, "expected the name of a form field"),
        ({"headers": "token"}, TypeError, "expected a dict from names of HTTP headers"),
        ({"send_as_json": "yes"}, ValueError, "expected True or False"),
        ({"every": 0}, ValueError, r"every=0\): expected None .* 'batch' .* e.g. 100"),
        ({"every": "epoch"}, ValueError, "expected None"),
        ({"every": True}, ValueError, "expected None"),
        ({"every": 2.5}, ValueError, "expected None"),
        ({"name": 3}, TypeError, "expected the name of the training"),
        ({"timeout": 0}, ValueError, "expected more than 0 seconds"),
        ({"timeout": (1, 2, 3)}, ValueError, "expected two numbers"),
        ({"timeout": "1"}, TypeError, "expected a number of seconds"),
        ({"flush_timeout": -1}, ValueError, "expected a number of seconds, 0 or more"),
        ({"flush_timeout": float("inf")}, ValueError, "expected a number of seconds"),
        ({"flush_timeout": None}, TypeError, "expected a number of seconds"),
        ({"spool": True}, TypeError, "expected the path of a file"),
        ({"spool": ""}, TypeError, "expected the path of a file"),
    ],
    ids=str,
)
def test_argument_that_cannot_be_used_is_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        RemoteMonitor(**arguments)


@pytest.mark.parametrize("root", ["http://exa mple", "http://a..b", f"http://{'a' * 70}.example"])
def test_address_that_only_a_request_can_judge_is_refused_before_training(train, root):
    with pytest.raises(ValueError, match="expected the address of a server"):
        train(RemoteMonitor(root), [{"loss": 1.0}])


def test_numbers_of_other_types_are_numbers():
    import numpy as np

    monitor = RemoteMonitor(every=np.int64(5), timeout=np.float32(2), flush_timeout=1)
    assert (monitor.every, monitor.timeout, monitor.flush_timeout) == (5, (2.0, 2.0), 1.0)
