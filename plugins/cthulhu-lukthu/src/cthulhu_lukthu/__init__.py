"""LuKthuCallback: make a callback of functions."""

from cthulhu_lukthu.functions import LuKthuCallback

__all__ = ["LuKthuCallback"]
