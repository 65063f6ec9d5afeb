"""The listening sockets, bound before anything else, and the check whether they need a token."""

from __future__ import annotations

import errno
import ipaddress
import os
import secrets
import socket
import sys
from types import TracebackType


class ListenError(Exception):
    """The server cannot listen on the address. The message names it, the reason and the cure."""


class AddressError(Exception):
    """The address needs a token, or the token is invalid. The message says what to do."""


class ListeningSockets:
    """The sockets of an address.

    Args:
        host: name or address.
        port: port, 0 for a free one.

    Raises:
        ListenError: If the server cannot listen there.
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
        """Whether only this computer can reach the server."""
        addresses = [str(opened.getsockname()[0]).partition("%")[0] for opened in self.sockets]
        return all(ipaddress.ip_address(address).is_loopback for address in addresses)

    @property
    def url(self) -> str:
        """The URL of the page."""
        address = ipaddress.ip_address(str(self.sockets[0].getsockname()[0]).partition("%")[0])
        host = socket.gethostname() if address.is_unspecified else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def check_token(self, token: str | None, variable: str) -> None:
        """Check that there is a token if one is needed.

        Args:
            token: the token, if there is one.
            variable: environment variable for the token, for messages.

        Raises:
            AddressError: If the token is missing, or cannot be sent in a header.
        """
        if token is not None and not (token and token.isascii() and token.isprintable() and " " not in token):
            raise AddressError(
                "the token is empty, or has characters that a header cannot contain: expected letters, digits and "
                f"punctuation in ASCII, e.g. {secrets.token_urlsafe(24)}"
            )
        if token is None and not self.is_loopback:
            raise AddressError(
                f"other computers can reach the server at {self.host}: protect it with a token, e.g. "
                f"--token {secrets.token_urlsafe(24)} or the same in the variable {variable}; or leave out --host to "
                "accept only this computer"
            )

    def close(self) -> None:
        """Close the sockets."""
        for opened in self.sockets:
            opened.close()

    def __enter__(self) -> ListeningSockets:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open(self, port: int) -> None:
        """Bind all addresses of the host, because browsers use any of those of localhost."""
        try:
            found = socket.getaddrinfo(self.host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except (OSError, UnicodeError) as error:
            raise ListenError(
                f"cthulhu-monitor cannot listen on {self.host!r}, which has no address ({error}): set --host to a name "
                "of this computer"
            ) from error
        missing: OSError | None = None
        for family, kind, protocol, _, (name, *rest) in dict.fromkeys(found):
            # The first socket determines the free port.
            taken = self.sockets[0].getsockname()[1] if self.sockets else port
            address = (name, taken, *rest[1:])
            try:
                self._bind(family, kind, protocol, address)
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise self._refusal(error, taken) from error
                missing = error  # A name may have addresses that this computer lacks.
        if not self.sockets and missing is not None:
            raise self._refusal(missing, port) from missing

    def _bind(self, family: int, kind: int, protocol: int, address: tuple[object, ...]) -> None:
        opened = socket.socket(family, kind, protocol)
        try:
            # Windows would let two servers share a port.
            if os.name == "posix" and sys.platform != "cygwin":
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            opened.bind(address)
            # The port may turn out to be taken only here.
            opened.listen(2048)
        except BaseException:
            opened.close()
            raise
        self.sockets.append(opened)

    def _refusal(self, error: OSError, port: object) -> ListenError:
        cures = {
            errno.EADDRINUSE: "another program uses it, maybe another cthulhu-monitor: stop it, or choose another port "
            "with --port",
            errno.EACCES: "this port is reserved: choose one from 1024 on with --port",
            errno.EADDRNOTAVAIL: "this computer does not have that address: choose another one with --host",
        }
        cure = cures.get(error.errno or 0, "choose another address with --host and --port")
        return ListenError(f"cthulhu-monitor cannot listen on {self.host}, port {port} ({error.strerror}): {cure}")
