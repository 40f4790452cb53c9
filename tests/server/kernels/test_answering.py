"""Requests are read as protobuf reads them or not at all, and answered by what the plan for their settings says."""

from __future__ import annotations

import hashlib
import math
import time
import uuid

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from ruiji.v1 import recommendation_pb2 as pb
from ruiji_server.domain.items import ItemState
from ruiji_server.kernels import listed
from ruiji_server.kernels.answering import Answering, Choice, Remarks
from ruiji_server.kernels.comparing import CompiledNeighbours
from ruiji_server.kernels.library import KERNELS
from ruiji_server.kernels.listed import CompiledCatalogue, Wanted
from ruiji_server.services.encoder_choice import EncoderChoice
from ruiji_server.services.written_answers import CONTRACT, TAGS

from tests.support.answering import OPENING, answering_by, parsed, request_for
from tests.support.compiled import compiled_changes, compiled_columns

IDS = [b"a", b"b", "商品".encode(), b"x" * 128]
NEIGHBOURS = np.array([[1, 2], [0, 2], [1, 0], [0, 1]], np.uint32)
COSINES = np.full((4, 2), 0.5, np.float32)
WANTED = Wanted(
    1, 1, 2, 1, scanned_at_most=0, met_enough=1, met_least=1, moved_at_most=1.0, is_narrower=False,
    on_sale=ItemState.ON_SALE, cosine_weight=1.0, category_weight=0.0, tags=TAGS,
)  # fmt: skip


@pytest.fixture(scope="module")
def choice() -> Choice:
    return Choice(math.inf, catalogue(), WANTED, OPENING)


def catalogue(categories=None, similarities=lambda _: np.ones(1, np.float32), paths=1) -> CompiledCatalogue:
    columns = compiled_columns(IDS, categories=categories)
    changes = compiled_changes(columns, [])
    changes.stand(0, paths, has_changes=False)
    neighbours = CompiledNeighbours(columns, NEIGHBOURS, COSINES, np.zeros(4, bool))
    return CompiledCatalogue(columns, neighbours, changes, similarities)


class Recorded:
    """Plans the same for all settings that protobuf understands, and says what it was asked for."""

    def __init__(self, choices=()) -> None:
        self.settings: list[bytes] = []
        self._choices = choices

    def __call__(self, settings: bytes):
        self.settings.append(settings)
        try:
            pb.SimilarItemsRequest.FromString(settings)
        except DecodeError:
            return ()
        return self._choices


@given(st.binary(max_size=128), st.sampled_from([None, b"ruiji-share", b"x" * 16]))
def test_the_hash_is_blake2b(data, person):
    wanted = hashlib.blake2b(data, digest_size=8, person=person or b"").digest()
    padded = KERNELS.ffi.NULL if person is None else person.ljust(16, b"\0")
    assert KERNELS.library.ruiji_blake2b(data, len(data), padded).to_bytes(8, "little") == wanted


ratio = st.floats(1.0, 10.0)
requests = st.builds(
    pb.SimilarItemsRequest,
    item_id=st.sampled_from(["a", "b", "商品", "nobody", ""]),
    page_size=st.none() | st.integers(-1, 300),
    ranking=st.none() | st.builds(
        pb.RankingOverrides,
        max_price_ratio=st.none() | ratio,
        category_weight=st.none() | st.floats(0, 1),
        excluded_item_ids=st.lists(st.text(max_size=3), max_size=2),
        price_currency_code=st.sampled_from(["", "JPY"]),
    ),
    encoder_id=st.sampled_from(["", "enc-1"]),
    embed_if_missing=st.booleans(),
    unit_id=st.text(max_size=140),
    targeting=st.dictionaries(st.text(max_size=70), st.text(max_size=260), max_size=3),
)  # fmt: skip


@given(requests)
def test_what_is_read_is_what_protobuf_reads(request_):
    plan = Recorded()
    assert Answering(CONTRACT, plan, print).answer(request_.SerializeToString()) is None
    for settings in plan.settings:
        for name in ("item_id", "embed_if_missing", "unit_id", "targeting"):
            request_.ClearField(name)
        assert pb.SimilarItemsRequest.FromString(settings) == request_


@given(requests, st.integers(0, 40), st.binary(min_size=1, max_size=3))
def test_damaged_requests_are_read_as_protobuf_reads_them_or_not_at_all(choice, request_, place, damage):
    """What protobuf does not understand is not answered, and nothing outside the message is looked at."""
    sound = request_.SerializeToString()
    for damaged in (sound[:place], sound[:place] + damage + sound[place:], sound[:place] + damage):
        plan = Recorded([choice])
        answer = Answering(CONTRACT, plan, print).answer(damaged)
        if answer is not None:
            message = pb.SimilarItemsRequest.FromString(damaged)
            assert message.item_id.encode() in IDS
            for name in ("item_id", "embed_if_missing", "unit_id", "targeting"):
                message.ClearField(name)
            assert pb.SimilarItemsRequest.FromString(plan.settings[0]) == message


@given(st.binary(max_size=60))
def test_any_bytes_are_read_as_protobuf_reads_them_or_not_at_all(choice, content):
    if answering_by([choice]).answer(content) is not None:
        assert pb.SimilarItemsRequest.FromString(content).item_id.encode() in IDS


@pytest.mark.parametrize("item_id", IDS)
def test_items_of_every_kind_are_found(choice, item_id):
    answer = parsed(answering_by([choice]).answer(request_for(item_id.decode())))
    wanted = IDS[NEIGHBOURS[IDS.index(item_id)][0]]
    assert [item.item_id.encode() for item in answer.items] == [wanted]


@pytest.mark.parametrize(
    "fields",
    [
        {"explain": True},
        {"variant": "experiment/variant"},
        {"explain_dropped": 1},
        {"explain_item_ids": ["a"]},
        {"unit_id": "u" * 129},
        {"unit_id": "ü"},
        {"targeting": {"": "x"}},
        {"targeting": {"n" * 65: "x"}},
        {"targeting": {"n": "x" * 257}},
        {"targeting": {"n": "ü"}},
        {"targeting": {str(number): "x" for number in range(17)}},
        {"encoder_id": "e" * 600},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_only_python_understands_is_left_to_it(choice, fields):
    assert answering_by([choice]).answer(request_for("a", **fields)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"embed_if_missing": True},
        {"unit_id": "u" * 128},
        {"unit_id": "u", "targeting": {"n" * 64: "x" * 256, "empty": ""}},
        {"targeting": {str(number): "x" for number in range(16)}},
        {"page_size": 20, "ranking": {"max_price_ratio": 1.5}, "encoder_id": "enc-1"},
    ],
    ids=str,
)
def test_what_makes_no_difference_is_not(choice, fields):
    assert answering_by([choice]).answer(request_for("a", **fields)) is not None


def test_pictures_and_embeddings_are_left_to_python_even_behind_an_item(choice):
    picture = pb.SimilarItemsRequest(picture={"content": b"x"}).SerializeToString()
    embedding = pb.SimilarItemsRequest(embedding={"values": [1.0]}).SerializeToString()
    for other in (picture, embedding):
        assert answering_by([choice]).answer(request_for("a") + other) is None
        assert answering_by([choice]).answer(other) is None


def test_of_a_field_that_stands_twice_the_last_counts(choice):
    twice = request_for("a") + request_for("b")
    assert answering_by([choice]).answer(twice) is not None
    assert parsed(answering_by([choice]).answer(twice)) == parsed(answering_by([choice]).answer(request_for("b")))


def test_while_units_matter_they_are_left_to_python(choice):
    answering = answering_by([choice])
    answering.heed_units(heeded=True)
    assert answering.answer(request_for("a", unit_id="u")) is None
    assert answering.answer(request_for("a")) is not None
    answering.heed_units(heeded=False)
    assert answering.answer(request_for("a", unit_id="u")) is not None


def test_each_settings_are_planned_once(choice):
    plan = Recorded([choice])
    answering = Answering(CONTRACT, plan, print)
    for _ in range(2):
        for page_size in (10, 20):
            for item_id in ("a", "b"):
                assert answering.answer(request_for(item_id, page_size=page_size, unit_id=item_id)) is not None
    assert [pb.SimilarItemsRequest.FromString(one).page_size for one in plan.settings] == [10, 20]
    answering.forget()
    assert answering.answer(request_for("a", page_size=10)) is not None
    assert len(plan.settings) == 3


def test_settings_that_nothing_answers_are_remembered_too():
    plan = Recorded()
    answering = Answering(CONTRACT, plan, print)
    assert [answering.answer(request_for("a")) for _ in range(3)] == [None] * 3
    assert len(plan.settings) == 1


def test_settings_without_end_are_not_all_remembered(choice):
    plan = Recorded([choice])
    answering = Answering(CONTRACT, plan, print)
    for number in range(1, 200):
        assert answering.answer(request_for("a", page_size=number)) is not None
    assert answering.answer(request_for("a", page_size=136)) is not None
    assert len(plan.settings) == 199, "the last 64 are"
    assert answering.answer(request_for("a", page_size=135)) is not None
    assert len(plan.settings) == 200


@given(st.lists(st.floats(0.01, 1.0), min_size=1, max_size=4), st.sampled_from(IDS))
def test_items_are_divided_among_encoders_as_elsewhere(choice, weights, item_id):
    total = max(1.0, sum(weights))
    share = EncoderChoice("principal", tuple((str(at), weight / total) for at, weight in enumerate(weights)))
    choices = [
        choice._replace(share_end=end, opening=pb.SimilarItemsResponse(encoder_id=one).SerializeToString() + OPENING)
        for one, end in share.ends()
    ]
    answer = parsed(answering_by(choices).answer(request_for(item_id.decode())))
    assert answer.encoder_id == share.encoder_of(item_id)


def test_an_encoder_whose_generation_has_no_table_is_left_to_python(choice):
    missing = Choice(0.5, None, None, OPENING)
    answers = {item_id: answering_by([missing, choice]).answer(request_for(item_id.decode())) for item_id in IDS}
    share = EncoderChoice("with", (("without", 0.5),))
    assert {item_id: share.encoder_of(item_id) == "with" for item_id in IDS} == {
        item_id: answer is not None for item_id, answer in answers.items()
    }


def test_request_ids_are_uuids_of_version_7_and_differ(choice):
    answering, before_ms = answering_by([choice]), time.time_ns() // 1_000_000
    ids = [pb.SimilarItemsResponse.FromString(answering.answer(request_for("a"))).request_id for _ in range(2_000)]
    after_ms = time.time_ns() // 1_000_000
    assert len({request_id[12:] for request_id in ids}) == 2_000, "they differ even within a millisecond"
    for request_id in ids:
        one = uuid.UUID(hex=request_id)
        assert (one.version, one.variant, one.hex) == (7, uuid.RFC_4122, request_id)
        assert before_ms <= int(request_id[:12], 16) <= after_ms


def test_random_bytes_are_used_once():
    given_out = []

    def counted(count: int) -> bytes:
        content = b"".join(len(given_out).to_bytes(5) + at.to_bytes(5) for at in range(count // 10))
        given_out.append(content)
        return content

    answering = Answering(CONTRACT, lambda _: [Choice(math.inf, catalogue(), WANTED, OPENING)], print, counted)
    tails = set()
    for _ in range(600):
        request_id = pb.SimilarItemsResponse.FromString(answering.answer(request_for("a"))).request_id
        tails.add(request_id[18:])
    assert len(given_out) == 3
    assert len(tails) == 600


def test_the_answer_after_so_many_is_told_of(choice):
    remarks = []
    answering = answering_by([choice], remarks)
    for _ in range(10):
        answering.answer(request_for("a"))
    assert remarks == []
    answering.watch_after(2)
    for told in (0, 0, 1, 2):
        answering.answer(request_for("a"))
        assert remarks == [Remarks.WATCHED] * told


def test_categories_are_compared_once_until_there_are_more():
    asked = []

    def similarities(category):
        asked.append(category)
        return np.ones(3, np.float32)

    of = catalogue([0, 1, 1, 0], similarities, paths=3)
    answering = answering_by([Choice(math.inf, of, WANTED, OPENING)])
    for item_id in (*IDS, *IDS):
        assert answering.answer(request_for(item_id.decode())) is not None
    assert asked == [0, 1]


def test_categories_without_end_are_not_all_kept(monkeypatch):
    monkeypatch.setattr(listed, "_KNOWN_AT_MOST", 2)
    asked = []

    def similarities(category):
        asked.append(category)
        return np.ones(4, np.float32)

    of = catalogue([0, 1, 2, 3], similarities, paths=4)
    answering = answering_by([Choice(math.inf, of, WANTED, OPENING)])
    for item_id in IDS:
        assert answering.answer(request_for(item_id.decode())) is not None
    assert asked == [0, 1, 2, 3]
    assert len(of._known) <= 2
    assert answering.answer(request_for("a")) is not None
    assert asked == [0, 1, 2, 3, 0]


def test_a_message_that_protobuf_refuses_is_refused(choice):
    """A string that is no UTF-8 is an error of protobuf's, in whichever field it stands."""
    broken = request_for("a") + b"\x4a\x02\xff\xfe"
    with pytest.raises(DecodeError):
        pb.SimilarItemsRequest.FromString(broken)
    assert answering_by([choice]).answer(broken) is None
