"""Models: Pile, a list of layers; Lump, any module; load_model."""

from cthulhu_core.installed.model_files import load_model
from cthulhu_core.models.lump import Lump
from cthulhu_core.models.pile import Pile

__all__ = ["Lump", "Pile", "load_model"]
