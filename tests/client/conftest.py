"""Servers on real sockets, and both clients behind one face, so that each promise is tried on each client."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from ruiji_client import ClientSettings, RuijiClient

from tests.support.certificates import Certificate, make_certificate
from tests.support.clients import BlockingAio, OpenClient
from tests.support.reference_server import ReferenceServer, reference_server


@pytest.fixture(params=["blocking", "asyncio"])
def open_client(request: pytest.FixtureRequest) -> Iterator[OpenClient]:
    """Open a client with these settings; it is closed after the test."""
    with ExitStack() as closing:

        def open_one(settings: ClientSettings | str) -> Any:
            client = RuijiClient(settings) if request.param == "blocking" else BlockingAio(settings)
            closing.callback(client.close)
            return client

        yield open_one


@pytest.fixture
def server() -> Iterator[ReferenceServer]:
    with reference_server() as running:
        yield running


@pytest.fixture
def client(open_client: OpenClient, server: ReferenceServer) -> RuijiClient:
    """A client of the reference server, with default settings."""
    return open_client(server.target)


@pytest.fixture(scope="session")
def new_certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Certificate]:
    """Make a certificate with this common name."""
    return lambda common_name: make_certificate(tmp_path_factory.mktemp("certificate"), common_name)
