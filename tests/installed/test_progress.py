"""What a plugin adds to a run on its own, and the line that says what to install when nothing shows progress."""

from types import SimpleNamespace

import pytest

from cthulhu_core import Callback, Run
from cthulhu_core.installed import services
from foreign import install

LINE = "verbose is set, but no installed package shows progress: pip install cthulhu-progbar\n"

DOTS = """
    from cthulhu_core import Callback, hookimpl

    class Dots(Callback):
        pass

    @hookimpl
    def cthulhu_default_callbacks(run):
        if run.params["verbose"] and not any(isinstance(callback, Dots) for callback in run.given):
            return [Dots()]
"""


@pytest.fixture
def progress_package(monkeypatch):
    """Whether ProgbarLogger is installed, as the test says."""

    def installed(there: bool) -> None:
        monkeypatch.setattr(services, "_said", set())
        monkeypatch.setattr(services, "callback_names", lambda: ["ProgbarLogger"] if there else ["History"])

    return installed


def test_said_once_a_process(progress_package, no_plugins, capsys):
    progress_package(False)
    Run(SimpleNamespace(), verbose=1)
    assert capsys.readouterr().out == LINE
    Run(SimpleNamespace(), verbose=2)
    assert capsys.readouterr().out == ""


def test_not_said_of_a_silent_run(progress_package, no_plugins, capsys):
    progress_package(False)
    Run(SimpleNamespace(), verbose=0)
    assert capsys.readouterr().out == ""


def test_not_said_where_the_package_is_installed_and_switched_off(progress_package, no_plugins, capsys):
    progress_package(True)
    Run(SimpleNamespace(), verbose=1)
    assert capsys.readouterr().out == ""


def test_not_said_where_another_plugin_shows_progress(progress_package, site, capsys):
    progress_package(False)
    install(site, "cthulhu-dots", modules={"dots": DOTS}, plugins={"dots": "dots"})
    run = Run(SimpleNamespace(), verbose=1)
    assert "Dots" in [type(callback).__name__ for callback in run.callbacks]
    assert capsys.readouterr().out == ""


def test_a_plugin_adds_nothing_that_the_user_gave(site):
    install(site, "cthulhu-dots", modules={"dots": DOTS}, plugins={"dots": "dots"})
    import dots

    given = dots.Dots()
    run = Run(SimpleNamespace(), callbacks=[[Callback()], given], verbose=1)
    assert [callback for callback in run.callbacks if isinstance(callback, dots.Dots)] == [given]
