"""Layers of a Pile; any torch.nn.Module can be one, too."""

from cthulhu_core.models.layers import Azatoth, Daoloth, TheHydra

__all__ = ["Azatoth", "Daoloth", "TheHydra"]
