"""cthulhu-monitor: the server to which RemoteMonitor reports, and its page. Needs the extra ``server``."""
