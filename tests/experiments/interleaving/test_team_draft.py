"""Team draft: fair to both rankings, and the same page again from the same coins."""

from __future__ import annotations

import hashlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from ruiji_experiments.interleaving.team_draft import FIRST, NEITHER, SECOND, draft_coins, team_draft
from scipy import stats

RANKINGS = st.lists(st.integers(0, 30), unique=True, max_size=12)
COINS = st.integers(0, 2**20)


@settings(deadline=None)
@given(RANKINGS, RANKINGS, st.integers(0, 24), COINS)
def test_a_page_is_picked_in_turns_each_its_best_that_is_left(first, second, length, coins):
    page = team_draft(first, second, length, coins)
    assert len(page) == min(length, len({*first, *second})), "short only if both have no more"
    taken = set()
    for pick in page:
        ranking = (first, second)[pick.ranking]
        item = ranking[pick.place]
        assert item == next(one for one in ranking if one not in taken)
        contested = all(set(one) - taken for one in (first, second))
        assert pick.team == (pick.ranking if contested else NEITHER)
        taken.add(item)
    assert len(taken) == len(page), "no item twice"


@settings(deadline=None)
@given(RANKINGS, RANKINGS, st.integers(0, 24), COINS)
def test_neither_team_is_ever_ahead_by_more_than_one(first, second, length, coins):
    teams = [pick.team for pick in team_draft(first, second, length, coins)]
    for end in range(len(teams) + 1):
        assert abs(teams[:end].count(FIRST) - teams[:end].count(SECOND)) <= 1


@settings(deadline=None)
@given(RANKINGS, RANKINGS, st.integers(0, 24), COINS)
def test_with_the_other_coins_and_the_rankings_exchanged_the_page_is_the_same(first, second, length, coins):
    flipped = ~coins & (2**21 - 1)
    page = [(first, second)[pick.ranking][pick.place] for pick in team_draft(first, second, length, coins)]
    other = [(second, first)[pick.ranking][pick.place] for pick in team_draft(second, first, length, flipped)]
    assert page == other


@given(st.lists(st.integers(), unique=True, max_size=12), COINS)
def test_a_ranking_against_itself_makes_its_own_page(ranking, coins):
    page = team_draft(ranking, ranking, len(ranking), coins)
    assert [ranking[pick.place] for pick in page] == ranking
    assert all(pick.team == pick.ranking for pick in page)


def test_what_fills_the_page_after_one_has_run_out_belongs_to_neither():
    page = team_draft("ab", "vwxyz", 7, coins=0)
    assert [pick.team for pick in page] == [FIRST, SECOND, FIRST, NEITHER, NEITHER, NEITHER, NEITHER]
    assert [pick.ranking for pick in page] == [FIRST, SECOND, FIRST, SECOND, SECOND, SECOND, SECOND]


def test_coins_are_what_the_formula_says_and_stay_so_from_release_to_release():
    """A change here would make old pages impossible to draft again."""
    coins = draft_coins("salt", "0" * 32)
    assert coins == int.from_bytes(hashlib.blake2b(b"draft:salt/" + b"0" * 32).digest(), "big")
    assert [coins >> place & 1 for place in range(8)] == [0, 1, 1, 1, 0, 1, 1, 0]
    assert team_draft("ab", "cd", 3, coins) == [(FIRST, 0, FIRST), (SECOND, 0, SECOND), (SECOND, 1, SECOND)]


def test_every_coin_of_a_page_is_fair_and_independent_of_the_others_and_of_the_salt():
    coins = [draft_coins("salt", f"{number:032x}") for number in range(4_000)]
    others = [draft_coins("other", f"{number:032x}") for number in range(4_000)]
    bits = np.array([[one >> place & 1 for place in range(60)] for one in coins])
    assert stats.chisquare(bits.sum(axis=0), np.full(60, bits.sum() / 60)).pvalue > 1e-4
    assert stats.binomtest(int(bits.sum()), bits.size).pvalue > 1e-4
    for one, other in ((bits[:, 0], bits[:, 1]), (bits[:, 0], np.array([one & 1 for one in others]))):
        assert stats.binomtest(int((one == other).sum()), 4_000).pvalue > 1e-4
