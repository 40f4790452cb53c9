"""How the client connects: encrypted if asked, recognised by its token, and again after the server was away."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from ruiji_client import (
    ClientSettings,
    Connection,
    Item,
    Price,
    ResourceExhaustedError,
    Retries,
    RuijiClient,
    Tls,
    UnauthenticatedError,
    UnavailableError,
)

from tests.support.certificates import Certificate
from tests.support.clients import OpenClient
from tests.support.reference_server import ReferenceServer, reference_server

NewCertificate = Callable[[str], Certificate]

SESAME = "open-sesame"


def server_credentials(certificate: Certificate, *, clients: Certificate | None = None) -> grpc.ServerCredentials:
    return grpc.ssl_server_credentials(
        [(certificate.key, certificate.chain)],
        root_certificates=None if clients is None else clients.chain,
        require_client_auth=clients is not None,
    )


def test_over_tls_the_client_talks_to_whom_it_trusts(open_client: OpenClient, new_certificate: NewCertificate) -> None:
    certificate = new_certificate("server")
    with reference_server(credentials=server_credentials(certificate)) as server:
        client = open_client(ClientSettings(server.target, tls=Tls(root_certificates=certificate.chain)))
        assert client.info().server_version == "reference"


@pytest.mark.parametrize("tls", [lambda other: Tls(root_certificates=other.chain), lambda _other: Tls()])
def test_over_tls_the_client_talks_to_nobody_else(
    open_client: OpenClient, new_certificate: NewCertificate, tls: Callable[[Certificate], Tls]
) -> None:
    certificate, other = new_certificate("server"), new_certificate("somebody else")
    with reference_server(credentials=server_credentials(certificate)) as server:
        client = open_client(ClientSettings(server.target, tls=tls(other)))
        with pytest.raises(UnavailableError):
            client.info()
        assert not server.seen


def test_a_server_that_asks_who_is_there_gets_the_clients_certificate(
    open_client: OpenClient, new_certificate: NewCertificate
) -> None:
    certificate, mine = new_certificate("server"), new_certificate("client")
    with reference_server(credentials=server_credentials(certificate, clients=mine)) as server:
        stranger = open_client(ClientSettings(server.target, tls=Tls(root_certificates=certificate.chain)))
        with pytest.raises(UnavailableError):
            stranger.info()
        tls = Tls(certificate.chain, client_certificate_chain=mine.chain, client_private_key=mine.key)
        assert open_client(ClientSettings(server.target, tls=tls)).info().server_version == "reference"


def test_the_token_goes_with_each_call_over_tls(open_client: OpenClient, new_certificate: NewCertificate) -> None:
    certificate = new_certificate("server")
    with reference_server(credentials=server_credentials(certificate), token=SESAME) as server:
        tls = Tls(root_certificates=certificate.chain)
        assert open_client(ClientSettings(server.target, tls=tls, token=SESAME)).info().dimensions == 16
        with pytest.raises(UnauthenticatedError):
            open_client(ClientSettings(server.target, tls=tls, token="".join(reversed(SESAME)))).info()
        with pytest.raises(UnauthenticatedError):
            open_client(ClientSettings(server.target, tls=tls)).info()


def test_a_token_that_expires_is_fetched_anew_for_each_call(open_client: OpenClient, server: ReferenceServer) -> None:
    tokens = iter(["monday", "tuesday"])
    settings = ClientSettings(server.target, token=lambda: next(tokens), allow_token_over_plaintext=True)
    client = open_client(settings)
    client.info()
    client.info()
    sent = [call.metadata["authorization"] for call in server.calls("Info")]
    assert sent == ["Bearer monday", "Bearer tuesday"]


def test_a_fetched_token_is_checked_like_a_given_one(open_client: OpenClient, server: ReferenceServer) -> None:
    client = open_client(ClientSettings(server.target, token=lambda: "monday\n", allow_token_over_plaintext=True))
    with pytest.raises(ValueError, match="printable ASCII"):
        client.info()
    assert not server.seen


def test_the_server_can_tell_which_program_calls(open_client: OpenClient, server: ReferenceServer) -> None:
    open_client(ClientSettings(server.target, user_agent="listing-page/7.2")).info()
    [call] = server.calls("Info")
    assert str(call.metadata["user-agent"]).startswith("listing-page/7.2 ruiji-client/")


def test_all_calls_go_over_one_connection(client: RuijiClient, server: ReferenceServer) -> None:
    for _ in range(5):
        client.info()
    assert len({call.peer for call in server.seen}) == 1


def test_a_server_that_is_not_there_is_unavailable(open_client: OpenClient) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        client = open_client(f"127.0.0.1:{closed.getsockname()[1]}")
        with pytest.raises(UnavailableError):
            client.info()


def test_the_same_client_goes_on_after_the_server_was_restarted(open_client: OpenClient) -> None:
    with reference_server() as server:
        connection = Connection(first_reconnect_backoff_s=0.05, max_reconnect_backoff_s=0.2)
        # Room for the port to come back on a busy machine; each failed try costs a moment only.
        retries = Retries(max_attempts=5, initial_backoff_s=0.2, max_backoff_s=0.5, throttle_tokens=1000)
        client = open_client(ClientSettings(server.target, connection=connection, retries=retries))
        client.info(timeout_s=30)
    with pytest.raises(UnavailableError):
        client.info(timeout_s=30)
    with reference_server(port=server.port) as again:
        assert client.info(timeout_s=30).server_version == "reference"
        assert again.seen


def test_a_message_above_the_limit_is_not_sent(open_client: OpenClient, server: ReferenceServer) -> None:
    client = open_client(ClientSettings(server.target, connection=Connection(max_request_bytes=10_000)))
    with pytest.raises(ResourceExhaustedError):
        client.similar_items(picture=b"\x89PNG" + bytes(20_000))
    assert not server.seen


def test_an_item_with_the_largest_picture_can_be_read_back(client: RuijiClient) -> None:
    """GRPC's own limit for answers, 4 MB, would refuse it."""
    picture = b"\x89PNG" + bytes(20_000_000 - 4)
    price = Price(amount_minor=1, currency_code="JPY")
    client.upsert_items([Item(item_id="a", price=price, picture_content=picture)])
    assert client.get_item("a", include_picture=True).item.picture_content == picture


@pytest.mark.skipif(sys.platform != "linux", reason="reads TCP_USER_TIMEOUT of open sockets from /proc")
def test_a_peer_that_vanished_is_noticed_before_the_kernel_gives_up(
    open_client: OpenClient, server: ReferenceServer
) -> None:
    client = open_client(ClientSettings(server.target, connection=Connection(keepalive_timeout_s=7)))
    client.info()
    assert user_timeouts_ms(server.port) == {7000}


def user_timeouts_ms(port: int) -> set[int]:
    """Return TCP_USER_TIMEOUT of this process's connections to the port, in milliseconds."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            is_socket = entry.readlink().name.startswith("socket:")
            copy = os.dup(int(entry.name)) if is_socket else -1
        except OSError:  # closed while we looked
            continue
        if copy < 0:
            continue
        with socket.socket(fileno=copy) as opened:
            try:
                if opened.getpeername()[1] == port:
                    found.add(opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT))
            except (OSError, IndexError, TypeError):  # not connected, or not TCP
                continue
    return found
