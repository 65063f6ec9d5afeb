"""cthulhu-monitor: the server to which RemoteMonitor reports, and the page that it shows. Needs the extra server."""
