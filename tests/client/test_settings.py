"""Settings are checked when they are made, and keep secrets to themselves."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from ruiji_client import ClientSettings, Connection, Deadlines, Retries, Tls

TARGET = "localhost:50051"
SESAME = "open-sesame"


@pytest.mark.parametrize("settings", [Deadlines(), Retries(), Tls(), Connection(), ClientSettings(TARGET)])
def test_settings_cannot_be_changed_after_they_were_made(settings: object) -> None:
    first = dataclasses.fields(settings)[0].name  # type: ignore[arg-type]  # each parameter is a dataclass
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(settings, first, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClientSettings(""), "target is empty"),
        (lambda: Deadlines(info_s=0), "info_s is 0"),
        (lambda: Deadlines(similar_items_s=float("inf")), "similar_items_s is inf"),
        (lambda: Deadlines(get_item_s=float("nan")), "get_item_s is nan"),
        (lambda: Retries(max_attempts=1), "max_attempts is 1"),
        (lambda: Retries(max_attempts=6), "max_attempts is 6"),
        (lambda: Retries(throttle_tokens=1001), "throttle_tokens is 1001"),
        (lambda: Retries(initial_backoff_s=-1), "initial_backoff_s is -1"),
        (lambda: Connection(max_request_bytes=0), "max_request_bytes is 0"),
        (lambda: Tls(client_private_key=b"key"), "both client_certificate_chain and client_private_key"),
    ],
)
def test_a_bad_value_is_refused_by_name(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_token_is_not_sent_in_plaintext_unless_someone_says_so() -> None:
    with pytest.raises(ValueError, match="allow_token_over_plaintext"):
        ClientSettings(TARGET, token=SESAME)
    ClientSettings(TARGET, token=SESAME, tls=Tls())
    ClientSettings(TARGET, token=SESAME, allow_token_over_plaintext=True)


@pytest.mark.parametrize("token", ["", "secret\n", "two words", "naïve"])
def test_a_token_that_cannot_stand_in_a_header_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII") as caught:
        ClientSettings(TARGET, token=token, tls=Tls())
    assert not token or token not in str(caught.value)


def test_secrets_do_not_show_when_settings_are_printed() -> None:
    tls = Tls(client_certificate_chain=b"public", client_private_key=b"very private")
    text = repr(ClientSettings(TARGET, token=SESAME, tls=tls))
    assert SESAME not in text
    assert "very private" not in text
