"""An outage is told of once when it begins and once when it ends, however often is asked meanwhile."""

from __future__ import annotations

import logging

import pytest
from ruiji_server.services.outage import Outage


def test_a_long_outage_is_two_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(logging.getLogger("ruiji_server.test"), "changes of items")
    outage.succeeded()
    assert caplog.messages == []
    for _ in range(100):
        outage.failed("no route to host")
    outage.succeeded()
    outage.succeeded()
    first, second = caplog.messages
    assert first == "changes of items wait, and it is tried again until they come: no route to host"
    assert second.startswith("changes of items are seen again after ")
    outage.failed("again")
    assert len(caplog.messages) == 3, "the next outage is told of again"
