"""Ports that stay ours before, between and after the runs of tritonserver that listens on them."""

from __future__ import annotations

import socket

from ruiji_triton.errors import StartError


def reserve_port(address: str, port: int) -> socket.socket:
    """Bind a socket that never listens, and so keep the port from other programs.

    Linux lets a second socket bind and listen there if both allow the reuse of addresses, as tritonserver does, and
    gives the port to nobody who asks for a free one.

    Args:
        address: to listen on, an IPv4 address or a name of one.
        port: 0 takes a free one; `getsockname` tells which.

    Returns:
        The socket; closing it gives the port back.

    Raises:
        StartError: another program listens on the port, or the address is none of this machine.
    """
    reserved = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((address, port))
    except OSError as error:
        reserved.close()
        raise StartError(f"tritonserver cannot listen on {address}:{port}: {error.strerror or error}") from error
    return reserved
