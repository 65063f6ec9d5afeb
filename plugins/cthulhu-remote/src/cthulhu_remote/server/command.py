"""``cthulhu-monitor``: parse the command line and run the server. See app.py for its routes."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path

TOKEN_VARIABLE = "CTHULHU_MONITOR_TOKEN"

_NEEDS = ("httptools", "jinja2", "sse_starlette", "starlette", "uvicorn")
_DESCRIPTION = "Show live trainings with RemoteMonitor on a page in the browser."
_EPILOG = f"""\
To report to it, train with

  from cthulhu.callbacks import RemoteMonitor
  model.summon(..., callbacks=[RemoteMonitor()])

The store keeps all reported data, and a server with the same file shows them again.

With a --host other than a loopback address, other computers can reach the server. Then a token is required, both to
report and to view. Set it in {TOKEN_VARIABLE} to keep it out of the list of processes.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until Ctrl-C or SIGTERM.

    Args:
        arguments: command-line arguments, by default those of the process.

    Returns:
        The exit status: 0 after Ctrl-C or SIGTERM, 1 if the server cannot run, 2 if it needs a token.

    Raises:
        SystemExit: For ``--help``, ``--version``, and invalid arguments (status 2).
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
    sys.stdout.flush()  # The output may be a pipe.


def _started(url: str, store: Path, has_token: bool) -> str:
    """Return the message printed when the server has started."""
    root = [] if url == "http://127.0.0.1:9000/" else [f"root={url.removesuffix('/')!r}"]
    headers = ["headers={'Authorization': 'Bearer ...'}"] if has_token else []
    return (
        f"page       {url}\n"
        f"store      {store}\n"
        f"report by  callbacks=[RemoteMonitor({', '.join([*root, *headers])})]\n"
        "Press Ctrl-C to stop."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cthulhu-monitor",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=_port, default=9000, help="port to listen on; 0 picks a free one (default: 9000)"
    )
    parser.add_argument(
        "--store",
        type=Path,
        default=Path("cthulhu-monitor.sqlite3"),
        metavar="FILE",
        help="file for all reported data (default: cthulhu-monitor.sqlite3 in the current folder)",
    )
    parser.add_argument(
        "--token", help=f"token required to report to and view the server (default: ${TOKEN_VARIABLE}, if set)"
    )
    parser.add_argument(
        "--max-runs", type=_count, default=1000, metavar="N", help="maximum number of runs in the store (default: 1000)"
    )
    return parser


class _Version(argparse.Action):
    """Prints the version, which is looked up only on demand."""

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
        raise argparse.ArgumentTypeError(f"{text!r}: expected a number, 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
