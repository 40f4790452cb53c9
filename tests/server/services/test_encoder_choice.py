from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_server.services.encoder_choice import EncoderChoice, choice_among
from ruiji_server.store.encoders import EncoderState, RegisteredEncoder

QUERIES = [f"item-{number}".encode() for number in range(4_000)]


def encoder(name: str, state: str = "active", share: float = 0.0, over: str | None = None) -> RegisteredEncoder:
    return RegisteredEncoder(name, name, 128, 0, EncoderState(state), share, None, over)


def answered_by(choice: EncoderChoice, encoder_id: str) -> set[bytes]:
    return {query for query in QUERIES if choice.encoder_of(query) == encoder_id}


def test_the_promoted_encoder_answers_everything_unless_others_have_a_share():
    choice = choice_among([encoder("a", "promoted"), encoder("b")], {"a", "b"})
    assert choice == EncoderChoice("a")
    assert answered_by(choice, "a") == set(QUERIES)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 1.0])
def test_queries_are_divided_by_share(share):
    choice = choice_among([encoder("a", "promoted"), encoder("b", share=share)], {"a", "b"})
    assert len(answered_by(choice, "b")) == pytest.approx(share * len(QUERIES), abs=4 * (len(QUERIES) / 4) ** 0.5)
    assert (choice.share_of("a"), choice.share_of("b")) == (pytest.approx(1 - share), share)


def test_while_a_share_grows_the_queries_that_it_had_stay_with_it():
    before: set[bytes] = set()
    for share in (0.1, 0.2, 0.6):
        now = answered_by(EncoderChoice("a", (("b", share),)), "b")
        assert before < now
        before = now


def test_the_same_query_is_answered_by_the_same_encoder_in_every_process():
    """Written down from one run: Python's own hash would differ in each."""
    choice = EncoderChoice("a", (("b", 0.5),))
    assert "".join(choice.encoder_of(query) for query in QUERIES[:16]) == "abbabbbbabaaabab"


def test_queries_that_differ_beyond_what_is_hashed_are_still_answered():
    assert EncoderChoice("a", (("b", 1.0),)).encoder_of(b"x" * 30_000_000) == "b"


KNOWN = [
    encoder("old"),
    encoder("new", "promoted", over="old"),
    encoder("trial", share=0.25),
    encoder("gone", "retired"),
]


@pytest.mark.parametrize(
    ("loaded", "principal", "shares"),
    [
        ({"old", "new", "trial", "gone"}, "new", (("trial", 0.25),)),
        ({"old", "trial", "gone"}, "old", (("trial", 0.25),)),
        ({"trial", "gone"}, "trial", ()),
        ({"gone"}, "gone", ()),
    ],
    ids=["all", "not yet the promoted", "a trial alone", "a retired one alone"],
)
def test_whatever_is_loaded_somebody_answers(loaded, principal, shares):
    assert choice_among(KNOWN, loaded) == EncoderChoice(principal, shares)


def test_nothing_loaded_is_no_choice():
    assert choice_among(KNOWN, set()) is None


@given(st.lists(st.floats(0, 1), max_size=5), st.binary(max_size=64))
def test_a_query_is_always_answered_by_an_encoder_that_takes_part(weights, query):
    total = max(1.0, sum(weights))
    shares = tuple((f"trial-{number}", weight / total) for number, weight in enumerate(weights))
    choice = EncoderChoice("principal", shares)
    answering = choice.encoder_of(query)
    assert choice.share_of(answering) > 0
