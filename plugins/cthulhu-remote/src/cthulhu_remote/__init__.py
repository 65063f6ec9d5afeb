"""RemoteMonitor: stream a training to a server. ``cthulhu_remote.server`` is the server with a page."""

from cthulhu_remote.callback import RemoteMonitor

__all__ = ["RemoteMonitor"]
