"""Pictures on web servers: what is fetched, what is refused for good, and what may pass."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web
from ruiji_encoding.pictures import MAX_PICTURE_BYTES
from ruiji_server.domain.items import PictureUri
from ruiji_server.embedding.picture_source import PictureFailure, PictureRefused, PictureSource, PictureUnreachable
from ruiji_server.embedding.pictures.web import WebSettings

from tests.support.catalogues import png

QUICK = WebSettings(total_s=0.6, connect_s=0.5, max_redirects=2)


async def fetched(uri: str, *, prefixes=("http://",), private=("127.0.0.1",), web_settings=QUICK) -> bytes:
    async with PictureSource(prefixes=prefixes, private=private, web=web_settings) as source:
        return await source.read(PictureUri(uri))


async def failure(uri: str, **options: object) -> PictureFailure:
    with pytest.raises(PictureFailure) as caught:
        await fetched(uri, **options)
    return caught.value


async def test_a_picture_is_fetched_through_redirects(picture_server):
    picture_server.answers("/b.png", web.Response(body=png()))
    picture_server.redirects("/a", "b.png")
    assert await fetched(picture_server.redirects("/start", "/a")) == png()


@pytest.mark.parametrize("status", [401, 403, 404, 408, 425, 429, 500, 502, 503])
async def test_an_answer_that_may_pass_is_worth_another_try(picture_server, status):
    failed = await failure(picture_server.answers("/a", status))
    assert isinstance(failed, PictureUnreachable)
    assert str(status) in failed.message


@pytest.mark.parametrize("status", [204, 206, 304, 400, 405, 410, 414, 451])
async def test_any_other_answer_is_final(picture_server, status):
    failed = await failure(picture_server.answers("/a", status))
    assert isinstance(failed, PictureRefused)
    assert failed.reason == "PICTURE_REFUSED"


async def test_a_server_that_names_a_pause_is_heard(picture_server):
    busy = picture_server.answers("/a", web.Response(status=429, headers={"Retry-After": "7"}))
    assert (await failure(busy)).retry_after_s == 7.0
    vague = picture_server.answers("/b", web.Response(status=503, headers={"Retry-After": "soon"}))
    assert (await failure(vague)).retry_after_s is None


async def test_too_many_redirects_are_not_followed(picture_server):
    failed = await failure(picture_server.redirects("/loop", "/loop"))
    assert isinstance(failed, PictureRefused)
    assert len(picture_server.asked) == QUICK.max_redirects + 1


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "not announced"])
async def test_a_file_that_is_too_large_is_cut_off(picture_server, announced):
    sent_bytes = 0

    async def pour(request: web.Request) -> web.StreamResponse:
        nonlocal sent_bytes
        response = web.StreamResponse(headers={"Content-Length": "4000000000"} if announced else {})
        await response.prepare(request)
        while sent_bytes < 4_000_000_000:
            await response.write(bytes(1_000_000))
            sent_bytes += 1_000_000
        return response

    picture_server.handlers["/huge"] = pour
    failed = await failure(picture_server.url("/huge"), web_settings=WebSettings())
    assert isinstance(failed, PictureRefused)
    assert failed.reason == "PICTURE_TOO_LARGE"
    # What lay in buffers comes on top.
    assert sent_bytes < 3 * MAX_PICTURE_BYTES


async def test_a_compressed_answer_is_not_unpacked(picture_server):
    async def pack(request: web.Request) -> web.StreamResponse:
        assert request.headers["Accept-Encoding"] == "identity"
        return web.Response(body=b"\x1f\x8b packed", headers={"Content-Encoding": "gzip"})

    picture_server.handlers["/a"] = pack
    assert await fetched(picture_server.url("/a")) == b"\x1f\x8b packed"


async def test_a_server_that_drips_is_given_up(picture_server):
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x")
            await asyncio.sleep(0.05)

    picture_server.handlers["/slow"] = drip
    failed = await failure(picture_server.url("/slow"))
    assert isinstance(failed, PictureUnreachable)
    assert "took too long" in failed.message


async def test_an_answer_that_breaks_off_is_worth_another_try(picture_server):
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"x")
        request.transport.close()
        return response

    picture_server.handlers["/cut"] = break_off
    assert isinstance(await failure(picture_server.url("/cut")), PictureUnreachable)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/a.png", "http://no-such-host.invalid/a.png"])
async def test_a_server_that_is_not_there_is_worth_another_try(url):
    failed = await failure(url)
    assert isinstance(failed, PictureUnreachable)
    assert "Errno" not in failed.message


async def test_a_picture_is_fetched_only_below_the_allowed_prefixes(picture_server):
    inside = picture_server.answers("/shop/a.png", web.Response(body=png()))
    outside = picture_server.answers("/shopping/a.png", web.Response(body=png()))
    prefixes = (picture_server.url("/shop/"),)
    assert await fetched(inside, prefixes=prefixes) == png()
    assert (await failure(outside, prefixes=prefixes)).reason == "PICTURE_URI_INVALID"
    leaving = picture_server.redirects("/shop/b.png", outside)
    assert isinstance(await failure(leaving, prefixes=prefixes), PictureRefused)
    assert "/shopping/a.png" not in picture_server.asked


# The loopback stands for a network of one's own: of its addresses only 127.0.0.1 is opened in these tests.


async def test_a_private_address_is_refused_by_number_and_by_name(picture_server):
    picture_server.answers("/a.png", web.Response(body=png()))
    for host in ("127.0.0.2", "localhost", "[::1]", "[::ffff:127.0.0.2]"):
        failed = await failure(picture_server.url("/a.png", host), private=("127.0.0.1/32",) if "[" in host else ())
        assert isinstance(failed, PictureRefused), host
        assert failed.reason == "PICTURE_ADDRESS_REFUSED", host
    assert picture_server.asked == []


async def test_a_redirect_does_not_lead_to_a_private_address(picture_server):
    picture_server.answers("/secret", web.Response(body=png()))
    for number, host in enumerate(("127.0.0.2", "169.254.169.254", "[::1]")):
        start = picture_server.redirects(f"/start{number}", picture_server.url("/secret", host))
        assert (await failure(start)).reason == "PICTURE_ADDRESS_REFUSED"
    assert "/secret" not in picture_server.asked


async def test_a_redirect_leads_to_nothing_but_the_web(picture_server):
    for number, target in enumerate(("file:///etc/passwd", "ftp://127.0.0.1/a", "//", "http://[")):
        failed = await failure(picture_server.redirects(f"/{number}", target))
        assert isinstance(failed, PictureRefused), target


async def test_a_host_can_be_opened_by_name(picture_server):
    picture_server.answers("/a.png", web.Response(body=png()))
    assert await fetched(picture_server.url("/a.png", "localhost"), private=("LOCALHOST",)) == png()
