"""Team draft: the two rankings pick items for one page in turns, like captains of teams.

Before each round a coin says who picks first; each picks its best item that is not on the page yet (Radlinski, Kurup
and Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008). Neither gets better places on
average, so position bias falls out of the comparison. An item on which a tap says nothing of who is better, because
both rankings would have shown it next, still belongs to the team that picked it: the coin makes that fair.

Coins come from a hash, so that a page can be drafted again from its request's id:

    coin of round r = bit r, the lowest being bit 0, of BLAKE2b("draft:" + salt + "/" + request id), big-endian
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from typing import Final, NamedTuple

FIRST, SECOND, NEITHER = 0, 1, -1
"""Teams: of the first and of the second ranking, and of neither."""

_DRAFT_SALT: Final = "draft:"
"""No experiment's salt has a colon, so none begins like this."""


class Pick(NamedTuple):
    """An item of a drafted page."""

    ranking: int
    """Which brought it: `FIRST` or `SECOND`."""
    place: int
    """Where it stood there, from 0."""
    team: int
    """Whose it is: the ranking, or `NEITHER` where the other ranking had no item left, so that nobody competed."""


def draft_coins(salt: str, request_id: str) -> int:
    """Return the coins of one page, 512 bits.

    Args:
        salt: the experiment's.
        request_id: the answer's, so that two pages for one query have coins of their own.
    """
    return int.from_bytes(hashlib.blake2b(f"{_DRAFT_SALT}{salt}/{request_id}".encode()).digest())


def team_draft(first: Sequence[Hashable], second: Sequence[Hashable], length: int, coins: int) -> list[Pick]:
    """Make a page of two rankings.

    As soon as either ranking has no item left, what the other has fills the page and belongs to neither: the published
    algorithm ends there, and whoever lists more items must not win by that.

    Args:
        first: items, best first, none twice.
        second: the other ranking's.
        length: of the page, at most 1,024; it is shorter if both rankings run out.
        coins: bit r, the lowest being bit 0, says who begins round r.
    """
    rankings = (first, second)
    places = [0, 0]
    taken: set[Hashable] = set()
    page: list[Pick] = []
    is_contest = True
    while len(page) < length:
        starts, coins = coins & 1, coins >> 1
        picked_before = len(page)
        for team in (starts, 1 - starts):
            left = [_skip_taken(rankings[one], places, one, taken) for one in (FIRST, SECOND)]
            is_contest = is_contest and all(left)
            if left[team] and len(page) < length:
                place = places[team]
                taken.add(rankings[team][place])
                page.append(Pick(team, place, team if is_contest else NEITHER))
        if len(page) == picked_before:
            break
    return page


def _skip_taken(ranking: Sequence[Hashable], places: list[int], one: int, taken: set[Hashable]) -> bool:
    """Move a ranking's place past items that are on the page; return whether it has one left."""
    while places[one] < len(ranking) and ranking[places[one]] in taken:
        places[one] += 1
    return places[one] < len(ranking)
