"""Whether the server of this container judges images; a container with another command is healthy.

The command is that of the first process (below docker run --init, its arguments).
"""

import http.client
import itertools
import sys
from pathlib import Path


def port_of(words: list[str]) -> int | None:
    """Where a command listens; None: it is no server."""
    if ("nsa", "serve") not in itertools.pairwise(Path(word).name for word in words):
        return None
    port = "8000"
    for word, after in zip(words, [*words[1:], ""], strict=True):
        if word == "--port":
            port = after
        elif word.startswith("--port="):
            port = word.removeprefix("--port=")
    return int(port)


def ask(port: int) -> None:
    """Ask the server, and exit if it is not well."""
    # Not by urllib, which would ask a proxy that the environment names.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=4)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        said = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"No answer from the server: {error}")
    if answer.status != http.client.OK:
        sys.exit(f"The server is not well: {answer.status} {said}")


if __name__ == "__main__":
    port = port_of(Path("/proc/1/cmdline").read_text().split("\0"))
    if port is not None:
        ask(port)
