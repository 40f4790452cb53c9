"""A generation travels through fsspec, goes on where it stopped, and is used only if every byte is right."""

from __future__ import annotations

import json
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

import pytest
from ruiji_server.generations.directory import GenerationDirectory
from ruiji_server.generations.errors import DamagedGeneration, DirectoryBusy, GenerationError, TravelError
from ruiji_server.generations.manifest import digest_line, read_manifest, write_manifest
from ruiji_server.generations.remote import TRANSFER_BYTES, RemoteFolder
from ruiji_server.generations.travel import Transfer, pull_generation, push_generation

from tests.support.catalogues import ENCODER_ID, SilentBuild
from tests.support.generations import copied
from tests.support.object_storage import new_bucket, s3_server

OTHER = "enc-ffffffffffffffff"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """A server that speaks S3's protocol."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture(params=["file", "s3"])
def url(request, tmp_path, monkeypatch) -> str:
    """An empty folder behind a URL of each kind."""
    if request.param == "file":
        return (tmp_path / "remote").as_uri()
    bucket = f"b-{abs(hash(request.node.name)):x}"
    return new_bucket(request.getfixturevalue("s3_endpoint"), bucket, monkeypatch) + "/generations"


@pytest.fixture
def file_url(tmp_path) -> str:
    return (tmp_path / "remote").as_uri()


@pytest.fixture
def here(small_generation: Path, tmp_path: Path) -> GenerationDirectory:
    """Three generations, the newest published."""
    directory = GenerationDirectory(tmp_path / "here")
    for number in range(3):
        directory.publish(copied(small_generation, directory, number).generation_id)
    return directory


@pytest.fixture
def there(tmp_path: Path) -> GenerationDirectory:
    return GenerationDirectory(tmp_path / "there")


def name(number: int) -> str:
    return f"gen-20260101T{number:06d}-abcdef"


def push(here: GenerationDirectory, url: str, number: int = 2, *, keep: int = 10, again: bool = False) -> Transfer:
    return push_generation(here, name(number), RemoteFolder(url), SilentBuild(), keep=keep, again=again)


def pull(url: str, there: GenerationDirectory, encoder_id: str | None = None) -> Transfer:
    return pull_generation(RemoteFolder(url), there, encoder_id, SilentBuild())


def local(url: str) -> Path:
    return Path(url2pathname(urlparse(url).path))


def test_what_is_pushed_is_pulled_and_served(here, there, url):
    push(here, url, 0)
    push(here, url, 1)
    pushed = push(here, url, keep=1)
    assert pushed.changed
    assert RemoteFolder(url).generation_ids() == [name(2), name(1)]
    pulled = pull(url, there)
    assert pulled == replace(pulled, generation_id=name(2), moved_bytes=pulled.total_bytes, changed=True)
    generation = there.open_current()
    assert generation.manifest == read_manifest(here.folder(name(2)))
    assert len(generation.index.search(generation.columns.embeddings[0], 5)) == 5


def test_a_second_time_nothing_is_moved(here, there, file_url):
    first = push(here, file_url)
    again = push(here, file_url)
    assert again.moved_bytes < first.moved_bytes - first.total_bytes + 1
    assert not again.changed
    pull(file_url, there)
    assert pull(file_url, there) == Transfer(name(2), 0, 0, changed=False)


def test_with_again_everything_is_sent(here, file_url):
    first = push(here, file_url)
    assert push(here, file_url, again=True).moved_bytes == first.moved_bytes


def test_a_pull_follows_what_is_published_also_back(here, there, file_url):
    push(here, file_url, 1)
    pull(file_url, there)
    push(here, file_url, 2)
    assert pull(file_url, there).generation_id == there.current_id() == name(2)
    push(here, file_url, 1)
    back = pull(file_url, there)
    assert (back.moved_bytes, back.changed) == (0, True)
    assert there.current_id() == name(1)


def test_a_push_that_broke_off_publishes_nothing_and_goes_on_where_it_stopped(here, there, url):
    push(here, url, 1)
    manifest = read_manifest(here.folder(name(2)))

    class Broken(SilentBuild):
        """Ends the push in its middle, as a kill would between two parts."""

        def stage(self, stage, total):
            context = super().stage(stage, total)
            return self.stopping(context) if stage == "Push" else context

        @staticmethod
        def stopping(_context):
            from contextlib import contextmanager

            @contextmanager
            def stage():
                sent = 0

                def advance(count: int) -> None:
                    nonlocal sent
                    sent += count
                    if sent > total_bytes / 2:
                        raise KeyboardInterrupt

                yield advance

            return stage()

    total_bytes = manifest.total_bytes
    with pytest.raises(KeyboardInterrupt):
        push_generation(here, name(2), RemoteFolder(url), Broken(), keep=10)
    assert pull(url, there).generation_id == name(1)
    assert 0 < push(here, url, 2).moved_bytes < total_bytes
    assert pull(url, there).generation_id == name(2)
    there.open_current()


def test_a_pull_that_broke_off_goes_on_where_it_stopped(here, there, url):
    push(here, url)
    partial = there.root / f".pull-{name(2)}"
    partial.mkdir(parents=True)
    whole = (here.folder(name(2)) / "embeddings.npy").read_bytes()
    (partial / "embeddings.npy").write_bytes(whole[:20_000])
    pulled = pull(url, there)
    assert pulled.moved_bytes == pulled.total_bytes - 20_000
    there.open_current()
    assert not partial.exists()


def test_a_partial_file_that_went_bad_is_fetched_again(here, there, url):
    push(here, url)
    partial = there.root / f".pull-{name(2)}"
    partial.mkdir(parents=True)
    (partial / "embeddings.npy").write_bytes(b"\0" * 20_000)
    with pytest.raises(DamagedGeneration, match="pull again"):
        pull(url, there)
    assert there.ids() == []
    pull(url, there)
    there.open_current()


@pytest.mark.parametrize(
    "file", ["embeddings.npy", "index.usearch", "names.json", "band_ends.npy", "manifest.json", "manifest.sha256"]
)
@pytest.mark.parametrize("damage", ["flip", "cut", "longer", "gone", "empty"])
def test_what_arrives_damaged_is_never_published_and_the_one_before_goes_on(here, there, file_url, file, damage):
    push(here, file_url, 1)
    pull(file_url, there)
    push(here, file_url, 2)
    path = local(file_url) / name(2) / file
    content = path.read_bytes()
    middle = len(content) // 2
    path.unlink()
    if damage != "gone":
        flipped = content[:middle] + bytes([content[middle] ^ 4]) + content[middle + 1 :]
        # A longer file than announced is cut to what was announced, and right again.
        path.write_bytes({"flip": flipped, "cut": content[:middle], "longer": content + b"x", "empty": b""}[damage])
    if damage == "longer" and not file.startswith("manifest"):
        assert pull(file_url, there).generation_id == name(2)
        return
    with pytest.raises(GenerationError):
        pull(file_url, there)
    assert there.current_id() == name(1)
    assert there.ids() == [name(1)]
    # And once it is pushed again, all is well.
    path.unlink(missing_ok=True)
    push(here, file_url, 2, again=True)
    assert pull(file_url, there).generation_id == name(2)
    there.open_current()


def test_a_damaged_generation_does_not_leave(here, file_url):
    damaged = here.folder(name(2)) / "state.npy"
    content = damaged.read_bytes()
    damaged.unlink()
    damaged.write_bytes(content[:-1] + b"\7")
    with pytest.raises(DamagedGeneration, match=r"state\.npy"):
        push(here, file_url)
    assert RemoteFolder(file_url).published() == {}


def test_one_that_was_damaged_here_is_fetched_again(here, there, file_url):
    push(here, file_url, 1)
    pull(file_url, there)
    push(here, file_url, 2)
    pull(file_url, there)
    state = there.folder(name(1)) / "state.npy"
    state.write_bytes(b"")
    push(here, file_url, 1)
    assert pull(file_url, there).moved_bytes > 0
    there.open_current()


def test_names_that_lead_elsewhere_are_refused(here, there, file_url, tmp_path):
    push(here, file_url)
    path = local(file_url) / name(2) / "manifest.json"
    raw = json.loads(path.read_text())
    raw["files"]["../../evil.npy"] = raw["files"].pop("state.npy")
    content = json.dumps(raw).encode()
    path.write_bytes(content)
    (path.parent / "manifest.sha256").write_bytes(digest_line(content))
    with pytest.raises(DamagedGeneration):
        pull(file_url, there)
    (local(file_url) / f"CURRENT.{ENCODER_ID}").write_text("../../evil\n")
    with pytest.raises(TravelError, match="names no generation"):
        pull(file_url, there)


def test_a_manifest_of_another_generation_or_encoder_is_refused(here, there, file_url):
    push(here, file_url)
    folder = local(file_url) / name(2)
    manifest = read_manifest(folder)
    for wrong in (replace(manifest, generation_id=name(9)), replace(manifest, encoder_id=OTHER)):
        write_manifest(folder, wrong)
        with pytest.raises(GenerationError, match="is that of"):
            pull(file_url, there)
    assert there.ids() == []


def test_each_encoder_is_published_and_pulled_by_itself(here, there, small_generation, file_url):
    push(here, file_url)
    copied(small_generation, here, 8, encoder_id=OTHER)
    push(here, file_url, 8)
    with pytest.raises(TravelError, match="name one"):
        pull(file_url, there)
    pull(file_url, there, OTHER)
    pull(file_url, there, ENCODER_ID)
    assert there.published() == {ENCODER_ID: name(2), OTHER: name(8)}


def test_old_ones_go_there_too_but_never_the_published(here, file_url):
    for number in range(3):
        push(here, file_url, number)
    push(here, file_url, 2, keep=2)
    assert RemoteFolder(file_url).generation_ids() == [name(2), name(1)]
    push(here, file_url, 1, keep=1)
    assert RemoteFolder(file_url).published() == {ENCODER_ID: name(1)}
    # Whoever has just read the pointer can still fetch what it named.
    push(here, file_url, 2, keep=1)
    assert RemoteFolder(file_url).generation_ids() == [name(2), name(1)]
    push(here, file_url, 2, keep=1)
    assert RemoteFolder(file_url).generation_ids() == [name(2)]


def test_before_the_first_push_there_is_nothing(there, url):
    with pytest.raises(TravelError, match="ruiji index push"):
        pull(url, there)


def test_only_one_fetches_into_a_folder(here, there, file_url):
    push(here, file_url)
    with there.fetching(), pytest.raises(DirectoryBusy, match="is fetching generations"):
        pull(file_url, there)


def test_a_store_that_is_not_there_is_said(there, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(TravelError, match="s3://nowhere"):
        pull("s3://nowhere/generations", there)


@pytest.mark.parametrize("url", ["nonsense://x/y"])
def test_a_url_that_is_none_is_said(url):
    with pytest.raises(TravelError, match="is no URL"):
        RemoteFolder(url)


def test_a_large_file_takes_bounded_memory(tmp_path, file_url):
    size = 4 * TRANSFER_BYTES
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(size)
    remote = RemoteFolder(file_url)
    tracemalloc.start()
    assert sum(remote.write(large, "folder/large")) == size
    assert sum(map(len, remote.parts("folder/large", 0, size))) == size
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # What was just read, and what comes next.
    assert peak < 2.5 * TRANSFER_BYTES


def test_pulling_while_others_push_never_publishes_half_a_generation(small_generation, there, file_url, tmp_path):
    here = GenerationDirectory(tmp_path / "busy")
    pushed = threading.Event()

    def keep_pushing() -> None:
        for number in range(12):
            copied(small_generation, here, number)
            push(here, file_url, number, keep=1)
        pushed.set()

    pusher = threading.Thread(target=keep_pushing)
    pusher.start()
    while not pushed.is_set() or there.current_id() != name(11):
        try:
            pull(file_url, there)
        except GenerationError:
            # It was collected there meanwhile; the next look finds a newer one.
            continue
        assert there.open_current().manifest.items == 60
    pusher.join()
