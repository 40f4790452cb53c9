"""Which URIs open which place: prefixes, addresses, files, object storage."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import boto3
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from moto.server import ThreadedMotoServer
from ruiji_encoding.pictures import MAX_PICTURE_BYTES
from ruiji_server.domain.errors import InvalidArgument
from ruiji_server.domain.items import PictureContent, PictureUri
from ruiji_server.embedding.picture_source import PictureRefused, PictureSource, PictureUnreachable
from ruiji_server.embedding.pictures.addresses import AddressPolicy
from ruiji_server.embedding.pictures.resolver import GuardedResolver

from tests.support.catalogues import png

OPENED = ("https://images.example.com/", "http://old.example.com:8080/a/b", "s3://bucket/pictures/")


@pytest.mark.parametrize(
    "uri",
    [
        "https://images.example.com/a.png",
        "https://IMAGES.example.com:443/a/b.png?size=large#top",
        "https://images.example.com/%E9%9E%84.png",
        "https://images.example.com/鞄.png",
        "http://old.example.com:8080/a/b/c.png",
        "s3://bucket/pictures/鞄#1?.png",
    ],
)
def test_what_is_below_a_prefix_may_be_upserted(uri):
    PictureSource(prefixes=OPENED).check_uri(uri, field="picture_uri")


@pytest.mark.parametrize(
    "uri",
    [
        "https://images.example.com.evil.org/a.png",
        "https://images.example.com@evil.org/a.png",
        "https://user:word@images.example.com/a.png",
        "https://evil.org/https://images.example.com/",
        "https://images.example.com:444/a.png",
        "https://images.example.com\\@evil.org/a.png",
        "https://images.example.com/a b.png",
        "https://images.example.com/a\n.png",
        "https://[images.example.com/",
        "https:images.example.com/a.png",
        "http://images.example.com/a.png",
        "http://old.example.com:8080/a/bc/d.png",
        "http://old.example.com:8080/a/b/../../c.png",
        "http://old.example.com:8080/a/b/%2e%2e/c.png",
        "http://old.example.com:8080/a/b/..%2fc.png",
        "s3://bucket/other/a.png",
        "s3://bucket/pictures/../other/a.png",
        "s3://other/pictures/a.png",
        "simplecache::s3://bucket/pictures/a.png",
        "memory://a.png",
        "file:///etc/passwd",
        "a.png",
        "",
        "https://images.example.com/" + "a" * 2_000,
    ],
)
def test_anything_else_is_refused_at_the_door(uri):
    with pytest.raises(InvalidArgument) as caught:
        PictureSource(prefixes=OPENED).check_uri(uri, field="picture_uri")
    assert (caught.value.reason, caught.value.field) == ("PICTURE_URI_INVALID", "picture_uri")


@pytest.mark.parametrize(
    "prefix",
    ["images.example.com", "HTTPS://a.example", "https:///a", "https://u@a.example/", "https://a.example/../",
     "file:///pictures", "memory://a/"],
)  # fmt: skip
def test_a_prefix_that_opens_nothing_known_stops_the_start(prefix):
    with pytest.raises(ValueError, match="://"):
        PictureSource(prefixes=[prefix])


@pytest.mark.parametrize("entry", ["10.0.0.0/33", "10.0.0.1/8", "fe80::zz", ".", ""])
def test_a_network_that_is_none_stops_the_start(entry):
    with pytest.raises(ValueError, match="neither a host name nor a network"):
        AddressPolicy([entry])


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses_are_permitted(address):
    assert AddressPolicy().permits(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.1.2.3",
        "224.0.0.1", "255.255.255.255", "198.18.0.1", "240.0.0.1", "::", "::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:10.0.0.1", "2002:0a00:0001::1", "64:ff9b::a00:1", "2001:0:0a00:1::1", "fec0::1",
    ],
)  # fmt: skip
def test_addresses_outside_the_public_internet_are_not(address):
    assert not AddressPolicy().permits(address)
    assert AddressPolicy(["0.0.0.0/0", "::/0"]).permits(address)


class NameServer(AbstractResolver):
    """Answers a name with one set of addresses after the other, as an attacker's may."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        pass


async def test_only_addresses_that_were_checked_are_connected_to():
    resolver = GuardedResolver(NameServer(["93.184.216.34", "10.0.0.1"], ["127.0.0.1"]), AddressPolicy())
    assert [result["host"] for result in await resolver.resolve("rebinding.example")] == ["93.184.216.34"]
    with pytest.raises(PictureRefused) as caught:
        await resolver.resolve("rebinding.example")
    assert caught.value.reason == "PICTURE_ADDRESS_REFUSED"
    trusting = GuardedResolver(NameServer(["10.0.0.1"]), AddressPolicy(["images.internal"]))
    assert len(await trusting.resolve("images.internal")) == 1


async def test_an_inline_picture_needs_no_place():
    assert await PictureSource().read(PictureContent(png())) == png()


async def test_a_file_is_read_below_the_folder_and_through_no_link_out_of_it(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png())
    (tmp_path / "out.png").write_bytes(png())
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "out.png")
    source = PictureSource(tmp_path / "in")
    assert await source.read(PictureUri((tmp_path / "in" / "a.png").as_uri())) == png()
    for name in ("in/link.png", "out.png", "in/../out.png"):
        with pytest.raises(PictureRefused):
            await source.read(PictureUri(f"file://{tmp_path}/{name}"))


async def test_a_named_pipe_stops_nobody(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PictureRefused, match="no file"):
        await PictureSource(tmp_path).read(PictureUri((tmp_path / "pipe").as_uri()))


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A server that speaks S3's protocol."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of pictures; the environment says how to reach it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3")
    client.create_bucket(Bucket="listings")
    client.put_object(Bucket="listings", Key="pictures/鞄 #1?.png", Body=png())
    client.put_object(Bucket="listings", Key="pictures/huge", Body=bytes(MAX_PICTURE_BYTES + 1_000))
    return "listings"


async def test_an_object_is_read_by_its_very_key_and_no_further_than_needed(bucket):
    async with PictureSource(prefixes=[f"s3://{bucket}/pictures/"]) as source:
        key = "pictures/鞄 #1?.png"
        with pytest.raises(InvalidArgument, match="space"):
            source.check_uri(f"s3://{bucket}/{key}", field="picture_uri")
        boto3.client("s3").put_object(Bucket=bucket, Key=key.replace(" ", "_"), Body=png())
        assert await source.read(PictureUri(f"s3://{bucket}/{key.replace(' ', '_')}")) == png()
        assert len(await source.read(PictureUri(f"s3://{bucket}/pictures/huge"))) == MAX_PICTURE_BYTES + 1


async def test_an_object_that_is_not_there_may_still_come(bucket):
    async with PictureSource(prefixes=[f"s3://{bucket}/", "s3://no-such-bucket/"]) as source:
        for uri in (f"s3://{bucket}/pictures/missing.png", "s3://no-such-bucket/a.png"):
            with pytest.raises(PictureUnreachable):
                await source.read(PictureUri(uri))


async def test_a_storage_that_is_away_is_worth_another_try(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    async with PictureSource(prefixes=[f"s3://{bucket}/"]) as source:
        with pytest.raises(PictureUnreachable) as caught:
            await source.read(PictureUri(f"s3://{bucket}/a.png"))
        assert "127.0.0.1" not in caught.value.message
