"""`ruiji console` says what is wrong with its options before it serves anything."""

from __future__ import annotations

import socket

import pytest
from ruiji_cli.console_page import console_settings, host_and_port


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:8484", ("127.0.0.1", 8484)), ("[::1]:0", ("::1", 0)), ("localhost:80", ("localhost", 80))],
)
def test_an_address_has_a_host_and_a_port(address, parts):
    assert host_and_port(address) == parts


@pytest.mark.parametrize("address", ["8484", ":8484", "localhost", "localhost:http", "localhost:70000", ""])
def test_what_is_no_address_is_refused(explained, address):
    assert "is no host:port, such as 127.0.0.1:8484" in explained("console", "--address", address)


def test_a_port_that_is_taken_is_named(explained):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = explained("console", "--address", address)
    assert f"cannot listen on {address}" in said
    assert "--address names another" in said


def test_a_token_is_not_sent_in_plain_text_to_another_machine(explained, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    said = explained("console", "--target", "ruiji.example.com:50051", "--token-file", token)
    assert "add --tls" in said
    assert "secret" not in said


def test_a_token_goes_to_the_loopback_and_over_tls(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    assert console_settings("localhost:50051", token_file=token).client.token == token.read_text().strip()
    assert console_settings("ruiji.example.com:50051", token_file=token, tls=True).client.tls is not None


def test_what_is_no_origin_is_refused(explained):
    assert "is no origin" in explained("console", "--picture-origin", "img.example.com")


def test_further_host_names_come_beside_the_loopbacks():
    settings = console_settings("localhost:50051", allowed_hosts=["ruiji.example.com"])
    assert settings.allowed_hosts == ("127.0.0.1", "localhost", "[::1]", "ruiji.example.com")
