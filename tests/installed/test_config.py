"""Callbacks by configuration and by name: what is attached where, and what is said of a file that is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any

import pytest

from cthulhu_core import Callback, ConfigError, RefusedCallback, Run
from cthulhu_core.installed.config import configuration, read
from foreign import install

MODULE = """
    from collections.abc import Callable, Sequence
    from typing import Literal

    from cthulhu_core import Callback

    made = []

    class Acme(Callback):
        def __init__(
            self, filename: str, size: int = 1, *, mode: Literal["fast", "safe"] = "safe", rate: float = 0.5,
            names: Sequence[str] = (), function: Callable[[], None] | None = None, token: str | None = None,
        ) -> None:
            if size < 0:
                raise ValueError(f"size is {size}: expected 0 or more")
            self.filename, self.size, self.mode, self.rate, self.names = filename, size, mode, rate, names
            made.append(self)

        def on_epoch_end(self, epoch, logs):
            logs[self.filename] = self.size

    class Bare(Callback):
        def __init__(self, size=1):
            self.size = size

        def on_epoch_end(self, epoch, logs):
            logs["bare"] = self.size
"""


@pytest.fixture(autouse=True)
def _acme(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two callbacks are installed, and the working directory is empty."""
    install(site, "acme", modules={"acme": MODULE}, callbacks={"Acme": "acme:Acme", "Bare": "acme:Bare"})
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("CTHULHU_DISABLE", "*")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """``configured(text)`` makes it the configuration of all runs."""

    def configured(text: str, filename: str = "run.toml") -> None:
        Path(filename).write_text(dedent(text), encoding="utf-8")
        monkeypatch.setenv("CTHULHU_CONFIG", filename)

    return configured


def trained(callbacks: Any = None, **arguments: Any) -> Run:
    model: Any = SimpleNamespace()
    with Run(model, callbacks=callbacks, **arguments) as run:
        for _ in run.epochs():
            for loss in run.batches([1.0]):
                run.record(loss=loss)
    return run


def names(run: Run) -> list[str]:
    return [type(callback).__name__ for callback in run.callbacks]


def test_named_callbacks_are_attached_after_the_users_own(configured: Callable[..., None]) -> None:
    configured("""
        [callbacks.Acme]
        filename = "a"
        size = 3
        [callbacks.Bare]
    """)

    class Mine(Callback): ...

    run = trained(Mine())
    assert names(run) == ["BaseLogger", "Mine", "Acme", "Bare", "History"]
    assert run.history.history == {"loss": [1.0], "a": [3], "bare": [1]}
    reasons = [each["reason"] for each in run.manifest()["participants"]]
    assert reasons[2:4] == ["run.toml [callbacks.Acme]", "run.toml [callbacks.Bare]"]
    # Somebody chose them: who resumes without them is told.
    assert [each["given"] for each in run.state_dict()["callbacks"]] == [False, True, True, True, False]


def test_table_in_double_brackets_attaches_as_many(configured: Callable[..., None]) -> None:
    configured("""
        [[callbacks.Acme]]
        filename = "a"
        [[callbacks.Acme]]
        filename = "b"
    """)
    assert trained().history.history == {"loss": [1.0], "a": [1], "b": [1]}


def test_each_training_has_callbacks_of_its_own(configured: Callable[..., None]) -> None:
    configured('[callbacks.Acme]\nfilename = "a"')
    trained()
    trained()
    import acme

    assert len(acme.made) == 2


def test_run_that_does_not_train_attaches_nothing(configured: Callable[..., None]) -> None:
    configured('[callbacks.Acme]\nfilename = "a"')
    model: Any = SimpleNamespace()
    assert names(Run(model, training=False)) == ["BaseLogger", "History"]


def test_summon_is_attached_to_and_evaluate_and_predict_are_not(configured: Callable[..., None]) -> None:
    import numpy as np

    from cthulhu.layers import Daoloth
    from cthulhu.models import Pile

    configured('[callbacks.Acme]\nfilename = "a"')
    import acme

    model = Pile([Daoloth(1, input_dim=2)])
    model.conjure("sgd", "mse")
    x, y = np.ones((4, 2)), np.ones((4, 1))
    assert model.summon(x, y, verbose=0).history["a"] == [1]
    model.evaluate(x, y, verbose=0)
    model.predict(x)
    model.train_on_batch(x, y)
    model.test_on_batch(x, y)
    assert len(acme.made) == 1


def test_table_of_pyproject_is_read_when_the_variable_says_so(
    configured: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configured('[tool.cthulhu.callbacks.Acme]\nfilename = "a"\n[tool.other]\nx = 1', "pyproject.toml")
    assert names(trained()) == ["BaseLogger", "Acme", "History"]
    monkeypatch.delenv("CTHULHU_CONFIG")
    assert names(trained()) == ["BaseLogger", "History"]


def test_pyproject_without_a_table_of_ours_attaches_nothing(configured: Callable[..., None]) -> None:
    configured("[tool.other]\nx = 1", "pyproject.toml")
    assert names(trained()) == ["BaseLogger", "History"]


def test_errors_in_pyproject_name_the_whole_table(configured: Callable[..., None]) -> None:
    configured("[tool.cthulhu.callbacks.Acme]\nsize = 1", "pyproject.toml")
    with pytest.raises(ConfigError, match=r"^pyproject.toml \[tool.cthulhu.callbacks.Acme\]: filename is missing"):
        trained()


@pytest.mark.parametrize("value", ["", None])
def test_without_the_variable_no_file_is_looked_for(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("run.toml").write_text("broken")
    Path("pyproject.toml").write_text("broken")
    if value is None:
        monkeypatch.delenv("CTHULHU_CONFIG", raising=False)
    else:
        monkeypatch.setenv("CTHULHU_CONFIG", value)
    assert configuration() == ((), None)


ARGUMENTS = "filename, size, mode, rate, names, function, token"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[callbacks.Acmee]", "run.toml [callbacks.Acmee]: there is no callback Acmee: did you mean Acme?"),
        (
            "[callbacks.CSVLoger]",
            "run.toml [callbacks.CSVLoger]: there is no callback CSVLoger: did you mean CSVLogger?",
        ),
        (
            "[callbacks.Zebra]",
            "run.toml [callbacks.Zebra]: no installed package offers a callback 'Zebra'; there are ",
        ),
        (
            "[callbacks.History]",
            "run.toml [callbacks.History]: History cannot be attached: it is a base class, or part of every run",
        ),
        (
            "[callbacks.Acme]\nfilname = 'a'",
            f"run.toml [callbacks.Acme]: Acme has no argument filname: did you mean filename? It takes {ARGUMENTS}",
        ),
        (
            "[callbacks.Acme]\nsize = 2",
            "run.toml [callbacks.Acme]: filename is missing: expected str, which Acme cannot be made without",
        ),
        (
            "[callbacks.Acme]\nfilename = 1",
            "run.toml [callbacks.Acme]: filename is 1: expected a string",
        ),
        (
            "[callbacks.Acme]\nfilename = 'a'\nsize = true",
            "run.toml [callbacks.Acme]: size is True: expected an integer",
        ),
        (
            "[callbacks.Acme]\nfilename = 'a'\nmode = 'quick'",
            "run.toml [callbacks.Acme]: mode is 'quick': expected 'fast' or 'safe'",
        ),
        (
            "[callbacks.Acme]\nfilename = 'a'\nnames = ['b', 1]",
            "run.toml [callbacks.Acme]: names is ['b', 1]: expected a list, each element of which is a string",
        ),
        (
            "[callbacks.Acme]\nfilename = 'a'\nfunction = 'print'",
            "run.toml [callbacks.Acme]: function is 'print': expected a Callable, which only Python can make",
        ),
        (
            "[callbacks.Acme]\nfilename = 'a'\ntoken = ['t0k3n']",
            "run.toml [callbacks.Acme]: token is (secret): expected a string",
        ),
        (
            "[callbacks.Acme]\nfilename = 'a'\nsize = -1",
            "run.toml [callbacks.Acme]: ValueError: size is -1: expected 0 or more",
        ),
        (
            "[callback.Acme]",
            "run.toml: callback is not known here: did you mean callbacks? There is [callbacks], [run]",
        ),
        ("callbacks = 3", "run.toml: callbacks is 3: expected a table, [callbacks]"),
        ("[callbacks]\nAcme = 3", "run.toml [callbacks]: Acme is 3: expected a table, [callbacks.Acme]"),
        ("[callbacks]\nAcme = []", "run.toml [callbacks]: Acme is []: expected a table, [callbacks.Acme]"),
        (
            "[run]\nmanifests = 'a'",
            "run.toml [run]: manifests is not known here: did you mean manifest? There is manifest",
        ),
        (
            "[run]\nmanifest = 1",
            "run.toml [run]: manifest is 1: expected the path of a file, e.g. manifest = 'manifest.json'",
        ),
        ("[callbacks.Acme", "run.toml: this is not TOML: "),
    ],
)
def test_mistake_is_an_error_that_names_file_table_and_key(
    configured: Callable[..., None], text: str, message: str
) -> None:
    configured(text)
    model: Any = SimpleNamespace()
    with pytest.raises(ConfigError) as raised:
        Run(model)
    assert str(raised.value).startswith(message)


def test_file_that_is_not_there_is_named_with_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CTHULHU_CONFIG", "lost.toml")
    with pytest.raises(ConfigError) as raised:
        trained()
    assert str(raised.value) == (
        "lost.toml: cannot be read (No such file or directory): expected the TOML file that CTHULHU_CONFIG or --config "
        f"names; looked in {Path.cwd()}"
    )


def test_file_that_is_not_utf8_is_named() -> None:
    Path("run.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match=r"^run.toml: this is not TOML"):
        read("run.toml")


def test_callback_that_takes_any_arguments_is_given_all(configured: Callable[..., None], site: Path) -> None:
    module = """
        from cthulhu_core import Callback
        class Any(Callback):
            def __init__(self, **arguments):
                self.arguments = arguments
            def on_epoch_end(self, epoch, logs):
                logs.update(self.arguments)
    """
    from cthulhu_core.installed import registry

    install(site, "wide", modules={"wide": module}, callbacks={"Any": "wide:Any"})
    registry.installed.cache_clear()
    configured("[callbacks.Any]\na = 1\nb = 'c'")
    assert trained().history.history == {"loss": [1.0], "a": [1], "b": ["c"]}


def test_manifest_is_written_when_training_begins(configured: Callable[..., None]) -> None:
    configured('[run]\nmanifest = "runs/manifest.json"\n[callbacks.Acme]\nfilename = "a"')
    seen = []

    class Looks(Callback):
        def on_train_begin(self, logs: Any) -> None:
            seen.append(json.loads(Path("runs/manifest.json").read_text()))

    run = trained(Looks())
    assert seen == [run.manifest()]
    assert seen[0]["participants"][2]["arguments"] == {"filename": "a"}


def test_manifest_that_cannot_be_written_is_an_error_before_the_first_hook(configured: Callable[..., None]) -> None:
    configured('[run]\nmanifest = "taken/manifest.json"')
    Path("taken").write_text("a file")
    heard = []

    class Hears(Callback):
        def on_train_begin(self, logs: Any) -> None:
            heard.append("begin")

    with pytest.raises(OSError, match="taken"):
        trained(Hears())
    assert heard == []


def test_script_that_nobody_edits_is_attached_to(configured: Callable[..., None], site: Path) -> None:
    configured('[callbacks.Acme]\nfilename = "attached"\nsize = 7')
    script = f"""
        import sys
        sys.path.insert(0, {str(site)!r})
        from types import SimpleNamespace
        from cthulhu_core import Run
        with Run(SimpleNamespace()) as run:
            for epoch in run.epochs():
                for loss in run.batches([1.0]):
                    run.record(loss=loss)
        print(run.history.history)
    """
    done = subprocess.run([sys.executable, "-c", dedent(script)], capture_output=True, text=True)
    assert done.stdout == "{'loss': [1.0], 'attached': [7]}\n", done.stderr


# --- by name ----------------------------------------------------------------------------------------------------------


def test_callback_that_needs_no_arguments_can_be_named() -> None:
    run = trained(["Bare", ["Bare"]])
    assert names(run) == ["BaseLogger", "Bare", "Bare", "History"]
    assert names(trained("Bare")) == ["BaseLogger", "Bare", "History"]
    assert [type(each).__name__ for each in run.given] == ["Bare", "Bare"]


def test_name_of_a_callback_that_needs_arguments_is_an_error_that_says_which() -> None:
    with pytest.raises(RefusedCallback) as raised:
        trained(["Acme"])
    expected = "callbacks=['Acme']: Acme cannot be made without filename: write Acme(filename=...)"
    assert str(raised.value) == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Bear", "there is no callback Bear: did you mean Bare?"),
        ("History", "History cannot be attached: it is a base class, or"),
    ],
)
def test_name_of_what_cannot_be_attached_is_an_error(name: str, message: str) -> None:
    with pytest.raises(ImportError) as raised:
        trained([name])
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("name", ["", "zebra"])
def test_name_that_nothing_resembles_is_an_error_that_lists_what_there_is(name: str) -> None:
    with pytest.raises(RefusedCallback) as raised:
        trained(name)
    assert str(raised.value).startswith(
        f"callbacks=[{name!r}]: no installed package offers a callback {name!r}; there are Acme, Bare, BaseLogger, "
    )
