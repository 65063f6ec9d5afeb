"""cthulhu-monitor: a server for RemoteMonitor, with a page. Needs the extra ``server``."""
