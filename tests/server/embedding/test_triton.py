"""What is said of a Triton that is not there yet, and that nothing is said of one that is."""

from __future__ import annotations

import asyncio
import logging

import pytest
from ruiji_server.embedding.triton import TritonClient

NOBODY = "127.0.0.1:1"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="ruiji_server.embedding.triton")
    return caplog


async def test_a_triton_that_is_away_is_reported_once_however_often_it_is_asked(said):
    async with TritonClient(NOBODY) as triton:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(triton.report_until_live(poll_s=0.01), 1.0)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(triton.wait_until_ready("enc-0123456789abcdef", poll_s=0.01), 1.0)
    away, waiting = said.messages
    assert f"Triton at {NOBODY} does not answer" in away
    assert f"Triton at {NOBODY} does not serve encoder enc-0123456789abcdef" in waiting
    assert {record.levelno for record in said.records} == {logging.WARNING}


@pytest.mark.triton
async def test_of_one_that_serves_nothing_is_warned(said, triton_url, tiny_manifest):
    async with TritonClient(triton_url) as triton:
        await triton.report_until_live()
        assert await triton.wait_until_ready(tiny_manifest.encoder_id) == tiny_manifest.dimensions
    assert said.messages == [f"Triton at {triton_url} embeds query pictures"]


@pytest.mark.triton
async def test_one_without_the_encoder_is_named(said, triton_url):
    async with TritonClient(triton_url) as triton:
        await triton.report_until_live()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(triton.wait_until_ready("enc-ffffffffffffffff", poll_s=0.01), 1.0)
    assert "does not serve encoder enc-ffffffffffffffff" in said.messages[-1]
