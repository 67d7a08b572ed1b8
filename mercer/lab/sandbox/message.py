"""JSON datagrams with descriptors, between the judge and its own processes."""

from __future__ import annotations

import json
import socket
from collections.abc import Sequence
from typing import Any

SIZE = 1 << 17
DESCRIPTORS = 64


def send(
    connection: socket.socket, content: dict[str, Any], descriptors: Sequence[int] = ()
) -> None:
    """Send one message; datagrams of several threads do not mix."""
    data = json.dumps(content).encode()
    if descriptors:
        socket.send_fds(connection, [data], list(descriptors))
    else:
        connection.send(data)


def receive(connection: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """Wait for one message; None when the other side is gone."""
    try:
        data, descriptors, _, _ = socket.recv_fds(
            connection, SIZE, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
    except ConnectionResetError:
        return None, []
    return (json.loads(data) if data else None), descriptors
