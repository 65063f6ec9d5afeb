"""``cthulhu-monitor``: reads the command line, and runs the server. What the server does stands in app.py."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

TOKEN_VARIABLE = "CTHULHU_MONITOR_TOKEN"

_NEEDS = ("httptools", "jinja2", "sse_starlette", "starlette", "uvicorn")
_DESCRIPTION = "Shows trainings live that report with RemoteMonitor, on a page in the browser."
_EPILOG = f"""\
A training reports to it with

  from cthulhu.callbacks import RemoteMonitor
  model.summon(..., callbacks=[RemoteMonitor()])

What it reports is kept in the store, and shown again when the server is started with the same file.

Others can reach the server when --host is not this computer's loopback address: then a token is required, and
reporting and looking need it. {TOKEN_VARIABLE} gives it without showing it in the list of processes.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until Ctrl-C or SIGTERM.

    Args:
        arguments: what stands behind ``cthulhu-monitor``; by default, what the process was started with.

    Returns:
        The exit status: 0 when it was ended, 1 when it cannot run, 2 when it may not without a token.

    Raises:
        SystemExit: for ``--help``, ``--version``, and arguments that it does not take (status 2).
    """
    options = _parser().parse_args(arguments)
    if any(importlib.util.find_spec(name) is None for name in _NEEDS):
        return _fail('cthulhu-monitor needs what the extra "server" brings: pip install "cthulhu-remote[server]"')
    from cthulhu_remote.server.serve import serve
    from cthulhu_remote.server.sockets import AddressError, ListenError, ListeningSockets
    from cthulhu_remote.server.store import Store, StoreError

    token = os.environ.get(TOKEN_VARIABLE) if options.token is None else options.token
    try:
        with ListeningSockets(options.host, options.port) as listening:
            listening.check_token(token, TOKEN_VARIABLE)
            store = Store(options.store.absolute(), options.max_runs)
            _say(_started(listening.url, store.path, token is not None))
            serve(listening, store, token)
    except AddressError as error:
        return _fail(str(error), 2)
    except (ListenError, StoreError) as error:
        return _fail(str(error))
    return 0


def _fail(message: str, status: int = 1) -> int:
    sys.stderr.write(f"{message}\n")
    return status


def _say(message: str) -> None:
    sys.stdout.write(f"{message}\n")
    sys.stdout.flush()  # whoever started it may read it through a pipe


def _started(url: str, store: Path, has_token: bool) -> str:
    """What is said when the server has started."""
    root = [] if url == "http://127.0.0.1:9000/" else [f"root={url.removesuffix('/')!r}"]
    headers = ["headers={'Authorization': 'Bearer ...'}"] if has_token else []
    return (
        f"page       {url}\n"
        f"store      {store}\n"
        f"to report  callbacks=[RemoteMonitor({', '.join([*root, *headers])})]\n"
        "Ctrl-C ends it."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cthulhu-monitor",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=_port, default=9000, help="the port to listen at; 0 takes a free one (default: 9000)"
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=Path("cthulhu-monitor.sqlite3"),
        metavar="FILE",
        help="the file that keeps what is reported (default: cthulhu-monitor.sqlite3 in this folder)",
    )
    parser.add_argument(
        "--token", help=f"what has to be given to report and to look (default: the variable {TOKEN_VARIABLE}, if set)"
    )
    parser.add_argument(
        "--max-runs", type=_count, default=1000, metavar="N", help="how many runs the store may have (default: 1000)"
    )
    return parser


class _Version(argparse.Action):
    """Finds out the version only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        _say(f"cthulhu-remote {version('cthulhu-remote')}")
        parser.exit()


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 0 to 65535")
    return int(text)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 9 and int(text) >= 1):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number from 1 on")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
