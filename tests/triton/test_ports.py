"""Ports that stay reserved while tritonserver comes and goes."""

from __future__ import annotations

import socket

import pytest
from ruiji_triton.errors import StartError
from ruiji_triton.ports import reserve_port


def test_another_socket_can_listen_on_a_reserved_port_again_and_again() -> None:
    with reserve_port("127.0.0.1", 0) as reserved:
        for _ in range(2):
            with socket.create_server(reserved.getsockname()) as server:
                socket.create_connection(reserved.getsockname()).close()
                server.accept()[0].close()


def test_reserved_port_is_not_given_to_those_who_ask_for_a_free_one() -> None:
    with reserve_port("127.0.0.1", 0) as reserved:
        reserved_port = reserved.getsockname()[1]
        others = [reserve_port("127.0.0.1", 0) for _ in range(200)]
        ports = {other.getsockname()[1] for other in others}
        for other in others:
            other.close()
    assert reserved_port not in ports
    assert len(ports) == len(others)


def test_port_that_a_program_listens_on_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StartError, match=f"127.0.0.1:{port}: Address already in use"):
            reserve_port("127.0.0.1", port)


def test_address_of_another_machine_is_refused() -> None:
    with pytest.raises(StartError, match=r"192\.0\.2\.1"):
        reserve_port("192.0.2.1", 0)
