"""Segments: whole groups come back, a torn end is passed over, damage is never taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_events.errors import JournalFailed, SegmentDamaged
from ruiji_events.events import decode_events
from ruiji_events.segments import HEADER, encode_group, read_segment

GOLDEN = Path(__file__).parent / "golden"
LINES = st.lists(st.text(min_size=1).map(lambda text: text.replace("\n", " ").encode()), min_size=1, max_size=4)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@given(groups=st.lists(LINES, max_size=5))
def test_what_was_written_comes_back_in_order(tmp_path_factory, groups):
    content = HEADER + b"".join(map(encode_group, groups))
    contents = read_segment(written(tmp_path_factory.getbasetemp() / "s", content))
    assert contents.lines == [line for group in groups for line in group]
    assert (contents.torn_bytes, contents.lost_bytes) == (0, 0)


def test_wherever_the_last_group_is_cut_those_before_it_are_whole(tmp_path):
    first, last = encode_group([b"one", b"two"]), encode_group([b"three"])
    for kept in range(1, len(last)):
        contents = read_segment(written(tmp_path / "s", HEADER + first + last[:kept]))
        assert (contents.lines, contents.torn_bytes) == ([b"one", b"two"], kept)


def test_whichever_byte_of_the_last_group_is_wrong_it_is_a_torn_tail(tmp_path):
    """A crash of the machine can leave a file at its full length with pages that were never written."""
    first, last = encode_group([b"one"]), encode_group([b"two"])
    for place in range(len(last)):
        broken = bytearray(last)
        broken[place] ^= 0x55
        contents = read_segment(written(tmp_path / "s", HEADER + first + bytes(broken)))
        assert (contents.lines, contents.torn_bytes) == ([b"one"], len(last))


def test_whichever_byte_before_a_whole_group_is_wrong_it_is_damage(tmp_path):
    first, second, last = encode_group([b"one"]), encode_group([b"two"]), encode_group([b"three"])
    whole = HEADER + first + second + last
    for place in range(len(HEADER) + len(first), len(whole) - len(last)):
        broken = bytearray(whole)
        broken[place] ^= 0x55
        path = written(tmp_path / "s", bytes(broken))
        with pytest.raises(SegmentDamaged, match=r"damaged at byte \d+ of .*--salvage"):
            read_segment(path)
        salvaged = read_segment(path, salvage=True)
        assert (salvaged.lines, salvaged.lost_bytes) == ([b"one", b"three"], len(second))


def test_something_else_is_no_segment_and_an_unknown_version_says_so(tmp_path):
    with pytest.raises(SegmentDamaged, match="does not begin"):
        read_segment(written(tmp_path / "s", b"PAR1...."))
    with pytest.raises(JournalFailed, match="format version 9; this release reads 1"):
        read_segment(written(tmp_path / "s", HEADER[:-2] + b"\x09\x00"))


def test_a_segment_of_the_first_release_can_be_read():
    contents = read_segment(GOLDEN / "version-1.segment")
    impression, tap, purchase = decode_events(contents.lines)
    assert impression["items"][0] == {"item_id": "靴", "position": 1, "score": 0.75, "cosine": 0.5}
    assert impression["max_price_ratio"] == float("inf")
    assert (tap["table"], tap["item_id"], tap["position"]) == ("taps", "靴", 1)
    assert (purchase["amount_minor"], purchase["currency_code"]) == (900, "JPY")
    assert contents.torn_bytes == 7
