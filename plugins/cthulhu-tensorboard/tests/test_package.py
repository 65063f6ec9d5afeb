"""The package: entry points, changelog, and the example in its README."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cthulhu_core.testing import PackageContract
from cthulhu_tensorboard import TensorBoard

EVERYTHING = """
import sys
import numpy as np
from cthulhu.callbacks import TensorBoard
from cthulhu.layers import Daoloth, TheHydra
from cthulhu.models import Pile

model = Pile([TheHydra(5, 2, input_length=3), __import__("torch").nn.Flatten(), Daoloth(1)])
model.conjure("sgd", "mse")
x = np.arange(60).reshape(20, 3) % 5
tensorboard = TensorBoard(
    sys.argv[1], histogram_freq=1, write_grads=True, write_images=True, update_freq="batch",
    embeddings_freq=1, embeddings_data=x[:4],
)
model.summon(x, np.ones((20, 1)), epochs=2, verbose=0, validation_split=0.5, callbacks=[tensorboard])
print("tensorflow" in sys.modules)
"""


class TestPackage(PackageContract):
    callback = TensorBoard

    def test_import_brings_nothing_heavy(self):
        code = (
            "import cthulhu_tensorboard, sys\n"
            "cthulhu_tensorboard.TensorBoard()\n"
            "print(sorted({'torch', 'numpy', 'tensorboard', 'tensorflow', 'google.protobuf'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout == "[]\n"

    def test_an_installed_tensorflow_is_not_imported_and_nothing_is_printed(self, tmp_path):
        tensorflow = tmp_path / "installed" / "tensorflow"
        tensorflow.mkdir(parents=True)
        (tensorflow / "__init__.py").write_text("raise SystemExit('TensorFlow was imported')")
        code = f"import sys; sys.path.insert(0, {str(tensorflow.parent)!r})\n{EVERYTHING}"
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", code, str(tmp_path / "logs")], capture_output=True, text=True
        )
        assert (run.returncode, run.stdout, run.stderr) == (0, "False\n", "")

    def test_example_in_the_readme_writes_what_the_page_says(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        self.run_readme()
        assert sorted(path.name for path in Path("run/logs").iterdir()) == ["train", "validation"]
