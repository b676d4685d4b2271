"""Where a server listens, and the token that it asks for."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
from pathlib import Path

from nsa.errors import InputError
from nsa.system.readers import read_text

TOKEN = "NSA_TOKEN"  # the environment variable


def read_token(file: Path | None) -> bytes | None:
    """The token that clients must send, of a file, else of the environment; None: there is none.

    Raises:
        InputError: the file cannot be read, or what is there cannot be sent in a header.
    """
    where = TOKEN if file is None else str(file)
    text = os.environ.get(TOKEN) if file is None else read_text(file)
    if text is None:
        return None
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise InputError(
            f"{where} must hold a token, one word of ASCII characters, such as that of "
            "python -c 'import secrets; print(secrets.token_urlsafe())'."
        )
    return token.encode()


def listen(host: str, port: int, token: bytes | None) -> socket.socket:
    """A socket that listens; whoever connects waits until somebody accepts.

    Args:
        port: 0: one that is free.
        token: what clients must send; None: nothing, on this machine alone.

    Raises:
        InputError: the address is taken or not of this machine, or others reach it and there is no
            token.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise InputError(
            f"--host {host} is not known ({error.strerror}); give an address of this machine."
        ) from error
    family, kind, protocol, _, address = found[0]
    if token is None and not ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback:
        raise InputError(
            f"--host {host} can be reached from other machines, so a token is needed: write one "
            f"into a file and name it with --token-file, or set {TOKEN}."
        )
    opened = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # where it would let two servers share the port
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(socket.SOMAXCONN)
    except OSError as error:
        opened.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"Port {port} of {host} is in use; choose another --port, or 0 for a free one."
            ) from error
        raise InputError(
            f"Port {port} of {host} cannot be opened ({error.strerror}); choose another --host or "
            "--port."
        ) from error
    return opened


def url_of(opened: socket.socket) -> str:
    """Where clients find what listens."""
    host, port = opened.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
