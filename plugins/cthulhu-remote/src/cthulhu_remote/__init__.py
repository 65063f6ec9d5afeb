"""RemoteMonitor: streams a training to a server. The server that shows it is in ``cthulhu_remote.server``."""

from cthulhu_remote.callback import RemoteMonitor

__all__ = ["RemoteMonitor"]
