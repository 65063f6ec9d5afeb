"""ListeningSockets: the sockets, bound before anything else is done, and whether others can reach them."""

from __future__ import annotations

import errno
import ipaddress
import os
import secrets
import socket
import sys
from types import TracebackType


class ListenError(Exception):
    """The address cannot be listened at; the message says which, why, and what to do."""


class AddressError(Exception):
    """The address may not be listened at without a token, or the token is none; the message says what to do."""


class ListeningSockets:
    """The sockets of an address, and their end.

    Args:
        host: a name or an address.
        port: the port; 0 for a free one.

    Raises:
        ListenError: it cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.sockets: list[socket.socket] = []
        try:
            self._open(port)
        except BaseException:
            self.close()
            raise
        self.port: int = self.sockets[0].getsockname()[1]

    @property
    def is_loopback(self) -> bool:
        """Whether only this computer can reach it."""
        addresses = [str(opened.getsockname()[0]).partition("%")[0] for opened in self.sockets]
        return all(ipaddress.ip_address(address).is_loopback for address in addresses)

    @property
    def url(self) -> str:
        """Where the page is."""
        address = ipaddress.ip_address(str(self.sockets[0].getsockname()[0]).partition("%")[0])
        host = socket.gethostname() if address.is_unspecified else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def check_token(self, token: str | None, variable: str) -> None:
        """See that there is a token where one is needed.

        Args:
            token: the token, if there is one.
            variable: the environment variable that may have it.

        Raises:
            AddressError: there is none, or it cannot stand in a header.
        """
        if token is not None and not (token and token.isascii() and token.isprintable() and " " not in token):
            raise AddressError(
                "the token is empty, or has characters that cannot stand in a header: expected letters, digits and "
                f"signs of ASCII, e.g. {secrets.token_urlsafe(24)}"
            )
        if token is None and not self.is_loopback:
            raise AddressError(
                f"others can reach the server at {self.host}: give it a token, without which nobody can report or "
                f"look, e.g. --token {secrets.token_urlsafe(24)} or the same in the variable {variable}; or leave out "
                "--host, for this computer alone"
            )

    def close(self) -> None:
        """Listen no longer."""
        for opened in self.sockets:
            opened.close()

    def __enter__(self) -> ListeningSockets:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self, port: int) -> None:
        """Bind all addresses of the host: browsers take any of those of localhost."""
        try:
            found = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            raise ListenError(
                f"cthulhu-monitor cannot listen at {self.host!r}, which has no address ({error}): name one of this "
                "computer with --host"
            ) from error
        missing: OSError | None = None
        for family, kind, protocol, _, (name, *rest) in dict.fromkeys(found):
            # The first one finds out which port is free.
            taken = self.sockets[0].getsockname()[1] if self.sockets else port
            address = (name, taken, *rest[1:])
            try:
                self._bind(family, kind, protocol, address)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise self._refusal(error, taken) from error
                missing = error  # a name may have addresses that this computer lacks
        if not self.sockets and missing is not None:
            raise self._refusal(missing, port) from missing

    def _bind(self, family: int, kind: int, protocol: int, address: tuple[object, ...]) -> None:
        opened = socket.socket(family, kind, protocol)
        try:
            # Windows would let two servers have the same port.
            if os.name == "posix" and sys.platform != "cygwin":
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind(address)
            # Here, too, a port may turn out to be taken.
            opened.listen(2048)
        except BaseException:
            opened.close()
            raise
        self.sockets.append(opened)

    def _refusal(self, error: OSError, port: object) -> ListenError:
        cures = {
            errno.EADDRINUSE: "another program listens there, maybe another cthulhu-monitor: end it, or take another "
            "port with --port",
            errno.EACCES: "this port is not for everybody: take one from 1024 on with --port",
            errno.EADDRNOTAVAIL: "this computer does not have that address: name another one with --host",
        }
        cure = cures.get(error.errno or 0, "take another address with --host and --port")
        return ListenError(f"cthulhu-monitor cannot listen at {self.host}, port {port} ({error.strerror}): {cure}")
