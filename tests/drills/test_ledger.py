"""The drill's own books: they must notice what they are there to notice."""

from __future__ import annotations

import dataclasses

from tests.drills.answers import same_page
from tests.drills.ledger import Ledger, Listing

OLD = Listing("a", 1_000, ("Fashion",), sold=False, picture_sha256="0")
NEW = dataclasses.replace(OLD, price_minor=2_000)


def test_a_lost_item_is_found():
    ledger = acknowledged({"x": OLD})
    assert len(ledger.audit(lambda _: None).lost) == 1


def test_an_item_that_fell_back_to_an_older_content_is_found():
    ledger = acknowledged({"x": OLD}, {"x": NEW})
    assert len(ledger.audit(lambda _: OLD).lost) == 1


def test_an_item_that_came_back_after_its_deletion_is_found():
    ledger = acknowledged({"x": OLD}, {"x": None})
    assert len(ledger.audit(lambda _: OLD).lost) == 1


def test_an_unanswered_request_may_have_been_applied_or_not():
    for found in ({"x": OLD, "y": None}, {"x": NEW, "y": NEW}):
        ledger = acknowledged({"x": OLD})
        ledger.leave_open(ledger.begin({"x": NEW, "y": NEW}))
        assert ledger.audit(found.get).wrong == ()


def test_an_unanswered_request_may_not_have_been_applied_in_part():
    ledger = acknowledged({"x": OLD})
    ledger.leave_open(ledger.begin({"x": NEW, "y": NEW}))
    assert len(ledger.audit({"x": NEW, "y": None}.get).halves) == 1


def test_what_an_audit_found_of_an_unanswered_request_is_certain_from_then_on():
    ledger = acknowledged({"x": OLD})
    ledger.leave_open(ledger.begin({"x": NEW}))
    ledger.audit(lambda _: NEW)
    assert len(ledger.audit(lambda _: OLD).lost) == 1


def test_pages_are_the_same_up_to_the_order_of_equal_scores():
    page = [("a", 0.9), ("b", 0.8), ("c", 0.8)]
    assert same_page(page, [("a", 0.9), ("c", 0.8), ("b", 0.8)])
    assert same_page(page, [("a", 0.9), ("b", 0.8), ("d", 0.8)]), "the page may end among equals"
    assert not same_page(page, [("b", 0.9), ("a", 0.8), ("c", 0.8)])
    assert not same_page(page, [("d", 0.9), ("b", 0.8), ("c", 0.8)])
    assert not same_page(page, page[:2])


def acknowledged(*batches) -> Ledger:
    ledger = Ledger()
    for batch in batches:
        ledger.acknowledge(ledger.begin(batch))
    return ledger
