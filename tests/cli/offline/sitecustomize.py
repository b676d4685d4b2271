"""Lets no process of a test use a network, and records each that tries; Python imports it first.

``NSA_TEST_SOCKETS`` of the environment names the file of records, a line each: the number of the
process, and what it asked for, or ``begins``. Sockets of the machine alone (``AF_UNIX``), by which
processes may speak with each other, are left to them.
"""

import os
import socket
import sys
from typing import Any

_ALONE = (socket.AF_UNIX,)
_NAMES = ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")


def _record(what: str) -> None:
    line = f"{os.getpid()} {what}\n".encode()
    file = os.open(os.environ["NSA_TEST_SOCKETS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line)
    os.close(file)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    made = event == "socket.__new__" and arguments[1] not in _ALONE
    used = event in ("socket.connect", "socket.bind", "socket.sendto") and (
        arguments[0].family not in _ALONE
    )
    if made or used or event in _NAMES:
        _record(event)
        raise PermissionError(f"{event} is not for this test.")


_record("begins")
sys.addaudithook(_refuse)
