"""The types that hooks hand out, for annotations on the floors below those that define them.

Only type checkers import them: at run time this module is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cthulhu_core.models.checkpoint import Checkpoint as Checkpoint
    from cthulhu_core.run.batch import Batch as Batch
    from cthulhu_core.run.run import Run as Run
