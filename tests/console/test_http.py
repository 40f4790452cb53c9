"""The console as HTTP: who may ask, what browsers are told, what is kept. No browser is needed."""

from __future__ import annotations

import http.client
import io
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.console.conftest import running_console
from tests.support.catalogues import png
from tests.support.pictured_process import ELSEWHERE, RENDERED
from tests.support.reference_server import reference_server

ITEM = "demo-000002"


class Answer:
    """An answer, read."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()
        self.text = self.body.decode(errors="replace")


def ask(url: str, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    parts = urlsplit(url)
    with closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)) as connection:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        return Answer(connection.getresponse())


def form(content: bytes, name: str = "it.png") -> tuple[bytes, dict[str, str]]:
    """Return the body of a form with a file, and its headers."""
    head = f'--x\r\nContent-Disposition: form-data; name="picture"; filename="{name}"\r\n\r\n'.encode()
    return head + content + b"\r\n--x--\r\n", {"Content_Type": "multipart/form-data; boundary=x"}


@pytest.mark.parametrize(
    "path", ["/", f"/similar?item={ITEM}", "/static/main.js", "/nothing", "/similar", f"/pictures?item={ITEM}"]
)
def test_every_answer_keeps_the_page_to_itself(console_url: str, path: str) -> None:
    headers = ask(console_url, path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] is None


@pytest.mark.parametrize("path", ["/", f"/similar?item={ITEM}", f"/compare?item={ITEM}", "/categories", "/health"])
def test_no_page_has_a_script_or_style_of_its_own(console_url: str, path: str) -> None:
    answer = ask(console_url, path)
    assert answer.status == 200
    assert answer.text.count("<script") == answer.text.count('<script type="module" src="/static/main.js">') == 1
    assert " style=" not in answer.text
    assert "<style" not in answer.text
    assert "https://" not in answer.text


@pytest.mark.parametrize("host", ["evil.example.com", "localhost.evil.example.com", "10.0.0.1"])
def test_other_host_names_are_refused(console_url: str, host: str) -> None:
    answer = ask(console_url, "/", Host=host)
    assert answer.status == 400
    assert "demo-" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8484", "127.0.0.1", "[::1]:80"])
def test_the_loopbacks_names_are_let_in(console_url: str, host: str) -> None:
    assert ask(console_url, "/static/seal.svg", Host=host).status == 200


def test_a_post_from_another_site_is_refused(console_url: str) -> None:
    body, headers = form(b"x")
    for foreign in ({"Origin": "https://evil.example.com"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}):
        assert ask(console_url, "/picture-query", "POST", body, **headers, **foreign).status == 403
    own = {"Origin": console_url, "Sec_Fetch_Site": "same-origin"}
    assert ask(console_url, "/picture-query", "POST", body, **headers, **own).status == 422


def test_an_upload_beyond_the_limit_is_refused_unread(console_url: str) -> None:
    _, headers = form(b"")
    answer = ask(console_url, "/picture-query", "POST", b"", **headers, Content_Length=str(10**9))
    assert answer.status == 413
    assert "At most 20 MB are taken" in answer.text


def test_a_picture_of_too_many_pixels_is_refused(console_url: str) -> None:
    file = io.BytesIO()
    Image.new("1", (10_000, 6_000)).save(file, "PNG")
    body, headers = form(file.getvalue())
    answer = ask(console_url, "/picture-query", "POST", body, **headers)
    assert "10000 × 6000 pixels; at most 50 million are taken" in answer.text


def test_an_upload_is_asked_with_under_its_name_and_with_what_is_known_of_it(console_url: str) -> None:
    body, headers = form(png())
    answer = ask(console_url, "/picture-query", "POST", body, **headers)
    assert answer.status == 303
    where = answer.headers["Location"]
    assert "Queries by picture need Triton" in ask(console_url, where).text
    assert "much JPY cannot be read as an amount" in ask(console_url, f"{where}&price=much&currency=JPY").text


def test_nothing_but_the_upload_takes_posts(console_url: str) -> None:
    assert ask(console_url, f"/similar?item={ITEM}", "POST", b"").status == 405


def test_a_picture_is_kept_for_good_under_the_name_of_its_content(console_url: str) -> None:
    page = ask(console_url, f"/similar?item={ITEM}").text
    start = page.index("/pictures?")
    path = page[start : page.index('"', start)].replace("&amp;", "&")
    first = ask(console_url, path)
    assert (first.status, first.headers["Content-Type"]) == (200, "image/webp")
    assert "immutable" in first.headers["Cache-Control"]
    again = ask(console_url, path, If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")


def test_a_picture_under_another_name_is_not_kept(console_url: str) -> None:
    for version in ("", "0" * 32):
        answer = ask(console_url, f"/pictures?item={ITEM}&v={version}&w=160")
        assert answer.status == 200
        assert "immutable" not in answer.headers["Cache-Control"]


@pytest.mark.parametrize(("item", "status"), [("elsewhere-1", 404), ("nobody", 404), ("", 400)])
def test_what_cannot_be_shown_as_a_picture_fails_as_one(console_url: str, item: str, status: int) -> None:
    assert ask(console_url, f"/pictures?item={item}").status == status


def test_a_damaged_picture_is_drawn_as_damaged(console_url: str) -> None:
    answer = ask(console_url, "/pictures?item=given-up-1")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"these are words", "This file is no picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "This file is no picture that can be read"),
        (b"\xff\xd8\xff\xe0 the beginning of one", "This file is no picture that can be read"),
        (b"", "The file is empty"),
    ],
)
def test_an_upload_that_is_no_picture_is_refused(console_url: str, content: bytes, said: str) -> None:
    body, headers = form(content)
    answer = ask(console_url, "/picture-query", "POST", body, **headers)
    assert answer.status == 422
    assert said in answer.text


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/similar", 400, "names no item"),
        ("/similar?picture=0123456789abcdef", 404, "Upload it again"),
        (f"/similar?item={ITEM}&ratio=wide", 400, "ratio is"),
        (f"/similar?item={ITEM}&ratio=0.5", 400, "must be at least 1"),
        (f"/similar?item={ITEM}&encoder=enc-x", 409, "does not serve"),
        ("/?after=*", 400, "page_token"),
        ("/categories?path=", 400, "category name has 0 characters"),
        ("/nothing", 404, "There is no such page"),
        (f"/similar?item={'x' * 200}", 400, "item id has 200 bytes"),
    ],
)
def test_a_bad_address_is_explained(console_url: str, path: str, status: int, said: str) -> None:
    answer = ask(console_url, path)
    assert answer.status == status
    assert said in answer.text


@pytest.fixture(scope="module")
def other_console(server_port: int) -> Iterator[str]:
    """A console that may be reached by another name and shows pictures of one origin."""
    options = ("--allowed-host", "ruiji.example.com", "--picture-origin", "https://pictures.example.com")
    with running_console(f"127.0.0.1:{server_port}", *options) as url:
        yield url


def test_pictures_elsewhere_are_linked_where_that_is_wanted(other_console: str) -> None:
    answer = ask(other_console, "/?q=elsewhere-1", Host="ruiji.example.com")
    assert f'src="{ELSEWHERE}"' in answer.text
    assert "img-src 'self' blob: https://pictures.example.com;" in answer.headers["Content-Security-Policy"]


def test_a_server_that_is_away_and_comes_back() -> None:
    with reference_server() as server:
        target, port = server.target, server.port
    with running_console(target) as url:
        answer = ask(url, "/health")
        assert answer.status == 503
        assert f"There is no answer from {target}" in answer.text
        assert "ruiji serve" in answer.text
        with reference_server(port=port):
            assert ask(url, "/health").status == 200


def test_the_whole_catalogue_was_counted(console_url: str) -> None:
    assert f"<dd>{RENDERED + 4}</dd>" in ask(console_url, "/categories").text
