"""The manifest: who took part, in which versions, with which arguments, and nothing that is secret."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from cthulhu_core import Callback, Run, __version__, hookimpl
from cthulhu_core.contract.constructor_arguments import LONGEST, SECRET
from cthulhu_core.installed.manifest import save
from foreign import install


class Told(Callback):
    def __init__(self, first: Any, second: Any = 2, *more: Any, named: Any = None, **others: Any) -> None:
        pass


def arguments(callback: Callback) -> Any:
    model: Any = SimpleNamespace()
    manifest = Run(model, callbacks=[callback]).manifest()
    return json.loads(json.dumps(manifest))["participants"][-2]["arguments"]


@pytest.fixture(autouse=True)
def _alone(no_plugins: None) -> None:
    """No plugins."""


def test_participants_are_listed_in_their_order_with_what_they_were_made_with() -> None:
    class Hooks:
        @hookimpl
        def cthulhu_epoch_end(self) -> None: ...

    model: Any = SimpleNamespace()
    manifest = Run(model, callbacks=[Told(1, named="x"), Hooks()], stateful_metrics=["auc"]).manifest()
    core = {"package": "cthulhu-core", "version": __version__}
    mine = {"package": "", "version": ""}
    assert manifest["participants"] == [
        {"name": "BaseLogger", **core, "reason": "in every run, first", "arguments": {"stateful_metrics": ["auc"]}},
        {"name": "Told", **mine, "reason": "callbacks[0]", "arguments": {"first": 1, "named": "x"}},
        {"name": "Hooks", **mine, "reason": "callbacks[1]", "arguments": None},
        {"name": "History", **core, "reason": "in every run, last", "arguments": {}},
    ]
    assert manifest["packages"]["cthulhu-core"] == __version__
    assert manifest["packages"]["torch"] == torch.__version__
    assert set(manifest["packages"]) == {"cthulhu-core", "numpy", "python", "torch"}


def test_package_that_offers_a_callback_is_named_with_its_version(site: Path) -> None:
    module = "from cthulhu_core import Callback\nclass Acme(Callback):\n    def __init__(self, size=1): ...\n"
    install(site, "acme-tools", "1.5", modules={"acme": module}, callbacks={"Acme": "acme:Acme"})
    from cthulhu.callbacks import Acme

    model: Any = SimpleNamespace()
    manifest = Run(model, callbacks=[Acme(size=3)]).manifest()
    assert manifest["packages"]["acme-tools"] == "1.5"
    assert manifest["participants"][-2] == {
        "name": "Acme",
        "package": "acme-tools",
        "version": "1.5",
        "reason": "callbacks[0]",
        "arguments": {"size": 3},
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (True, True),
        (0.5, 0.5),
        (float("nan"), "nan"),
        (None, None),
        ("text", "text"),
        ("x" * 5000, "x" * 10 * LONGEST + "…"),
        (Path("run/log.csv"), "run/log.csv"),
        ([1, ("a", None)], [1, ["a", None]]),
        ({"a": {"b": 1}}, {"a": {"b": 1}}),
        (list(range(1000)), "(list, 1000 elements)"),
        (np.float32(0.5), 0.5),
        (np.ones((2, 3)), "(ndarray, shape (2, 3))"),
        (torch.ones(4), "(Tensor, shape (4,))"),
        (timedelta(seconds=90), "0:01:30"),
        (len, "(function builtins.len)"),
        (Told, f"(class {__name__}.Told)"),
        (object(), "(object)"),
        ("\ud800", "?"),
    ],
)
def test_arguments_are_plain_and_short(given: Any, kept: Any) -> None:
    assert arguments(Told(given)) == {"first": kept}


def test_arguments_by_place_by_name_and_beyond_those_that_are_declared() -> None:
    assert arguments(Told(1, 2, 3, 4, named=5, other=6)) == {
        "first": 1, "second": 2, "more": [3, 4], "named": 5, "other": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "headers",
        "token",
        "api_key",
        "apiKey",
        "password",
        "auth",
        "access_token",
        "webhook",
        "webhook_url",
        "secret_name",
    ],
)
def test_what_bears_the_name_of_a_secret_is_left_out(name: str) -> None:
    callback = Told(1, **{name: "t0k3n"})
    assert arguments(callback) == {"first": 1, name: SECRET}
    assert "t0k3n" not in repr(vars(callback))


@pytest.mark.parametrize("name", ["monitor", "keyboard", "author", "keep", "tokenizer"])
def test_names_that_only_resemble_those_of_secrets_are_kept(name: str) -> None:
    assert arguments(Told(1, **{name: "plain"})) == {"first": 1, name: "plain"}


def test_secrets_within_tables_and_addresses_are_left_out() -> None:
    kept = arguments(
        Told({"Authorization": "Bearer t0k3n", "Accept": "all"}, "https://me:t0k3n@host:8000/a?key=t0k3n#f")
    )
    assert kept == {"first": {"Authorization": SECRET, "Accept": "all"}, "second": "https://host:8000/a"}


def test_class_can_name_secrets_of_its_own() -> None:
    class Posts(Callback):
        secret = ("channel",)

        def __init__(self, channel: str, level: str) -> None: ...

    assert arguments(Posts("t0k3n", "info")) == {"channel": SECRET, "level": "info"}


def test_no_secret_is_kept_where_there_is_none() -> None:
    assert arguments(Told(1, headers=None)) == {"first": 1, "headers": None}


def test_wrong_arguments_are_the_constructors_error() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'first'"):
        Told()  # type: ignore[call-arg]


def test_class_without_a_constructor_takes_no_arguments() -> None:
    class Plain(Callback): ...

    with pytest.raises(TypeError, match=r"Plain\(\) takes no arguments"):
        Plain(1)  # type: ignore[call-arg]


def test_signature_is_that_of_the_constructor() -> None:
    class Plain(Callback): ...

    assert str(inspect.signature(Plain)) == "()"
    assert list(inspect.signature(Told).parameters) == ["first", "second", "more", "named", "others"]


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_copies_know_with_what_they_were_made(copied: Callable[[Any], Any]) -> None:
    assert arguments(copied(Told(7))) == {"first": 7}


def test_subclass_that_is_a_module_too_is_made_as_before() -> None:
    class Both(Callback, torch.nn.Module):
        def __init__(self, size: int) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(size))

    assert arguments(Both(3)) == {"size": 3}
    assert [name for name, _ in Both(3).named_parameters()] == ["weight"]


def test_history_has_the_manifest_of_its_run(train: Callable[..., Run]) -> None:
    run = train(Told(1))
    assert run.history.manifest == run.manifest()
    assert run.history.manifest["participants"][1]["arguments"] == {"first": 1}
    assert pickle.loads(pickle.dumps(run.history)).manifest == run.manifest()


def test_checkpoint_has_the_manifest_of_the_run(train: Callable[..., Run]) -> None:
    run = train(Told(1, token="t0k3n"))
    assert run.state_dict()["manifest"] == run.manifest()
    assert "t0k3n" not in repr(run.state_dict())


def test_saved_manifest_is_json_in_a_folder_that_is_made(tmp_path: Path, train: Callable[..., Run]) -> None:
    run = train(Told("ä"))
    save(run.manifest(), tmp_path / "new" / "manifest.json")
    text = (tmp_path / "new" / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(text) == run.manifest()
    assert '"first": "ä"' in text
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["manifest.json"]
