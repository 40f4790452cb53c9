"""Answers of the compiled kernel, for one generation and one way to rank."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ruiji.v1 import recommendation_pb2 as pb
from ruiji_server.kernels.answering import Answering, Choice, Remarks
from ruiji_server.ranking.policy import RankingPolicy
from ruiji_server.ranking.recommender import Recommender
from ruiji_server.services.written_answers import CONTRACT, TAGS

OPENING = b"\x32\x20"
"""Of an answer that says nothing but its request id: the tag and the length of that."""


def answering_by(choices: Sequence[Choice], remarks: list[Remarks] | None = None) -> Answering:
    """Return what answers all requests by some choices, and adds to `remarks` what there is to say."""
    said = [] if remarks is None else remarks
    return Answering(CONTRACT, lambda _settings: choices, lambda remarks, _request: said.append(remarks))


def choice_of(recommender: Recommender, policy: RankingPolicy, page_size: int, share_end: float = math.inf) -> Choice:
    """Return the choice of a generation for pages of one kind."""
    listed = recommender.listed
    if listed is None:
        return Choice(share_end, None, None, OPENING)
    return Choice(share_end, listed.catalogue, listed.wanted(policy, page_size, TAGS), OPENING)


def parsed(answer: bytes | None) -> pb.SimilarItemsResponse | None:
    """Return an answer without its request id."""
    if answer is None:
        return None
    message = pb.SimilarItemsResponse.FromString(answer)
    assert len(message.request_id) == 32
    message.ClearField("request_id")
    return message


def request_for(item_id: str, **fields: object) -> bytes:
    """Return a request, serialised."""
    return pb.SimilarItemsRequest(item_id=item_id, **fields).SerializeToString()  # type: ignore[arg-type]
