"""A package without any problem, for the tests of ``cthulhu check``."""

from __future__ import annotations

from textwrap import dedent

ACME = '''
    from cthulhu_core import Callback

    class Acme(Callback):
        """Counts the epochs."""

        on_error, ranks, logged = "disable", "main", ()

        def __init__(self, label="epochs"):
            self.label = label

        def on_epoch_end(self, epoch, logs={}):
            self.count = epoch
'''


GOOD = {
    "modules": {"acme/__init__": ACME},
    "callbacks": {"Acme": "acme:Acme"},
    "requires": ["cthulhu-core>=0.1,<1"],
    "metadata": ["Requires-Python: >=3.10"],
    "description": "# acme-tools",
    "files": {"acme/py.typed": "", "INFO/licenses/LICENSE": "MIT"},
}


POINT = 'pyproject.toml, [project.entry-points."cthulhu.callbacks"] '


DEPENDENCIES = "pyproject.toml, [project] dependencies"


def callbacks(source, *names):
    """The contents of a package with these callbacks; ``source`` comes behind the import of Callback and hookimpl."""
    head = "from cthulhu_core import Callback, hookimpl\n"
    return {"modules": {"acme/__init__": head + dedent(source)}, "callbacks": {name: f"acme:{name}" for name in names}}
