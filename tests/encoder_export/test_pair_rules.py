"""Titles that are messages are dropped; titles that only look like it are kept. In Japanese and in English."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruiji_encoder.errors import PairsError
from ruiji_encoder.pairs.rules import load_rules, normalise_title

FASHION = Path(__file__).parents[3] / "shared" / "data" / "fashion" / "items.tsv"

RULES = load_rules()


@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("みき様専用", "reserved-ja"),
        ("【りんご様専用】ワンピース 新品", "reserved-ja"),
        ("専用", "reserved-ja"),
        ("専用ページ♡", "reserved-ja"),
        ("ゆいさん お取り置き", "reserved-ja"),
        ("取置き分 スカート", "reserved-ja"),
        ("Ａｎｎａ様専用", "reserved-ja"),
        ("Reserved for Anna", "reserved-en"),
        ("RESERVED FOR @anna_1 do not buy", "reserved-en"),
        ("[reserved] silk scarf", "reserved-en"),
        ("佐藤様", "name-as-title-ja"),
        ("山田さくら", "name-as-title-ja"),
        ("Jennifer M.", "name-as-title-en"),
        ("for Emily Johnson!", "name-as-title-en"),
        ("", "short-title"),
        ("a", "short-title"),
        ("♡", "short-title"),
        ("!!!", "short-title"),
    ],
)
def test_messages_to_buyers_are_dropped(title: str, reason: str) -> None:
    assert RULES.verdict([title]) == reason


@pytest.mark.parametrize(
    "title",
    [
        "自転車専用ライト",
        "iPhone専用ケース",
        "車種専用設計フロアマット",
        "赤ちゃん専用 ローション",
        "お子様専用マスク",
        "仕様専用ワイパー",
        "取り置き不可 コート",
        "お姫様ドレス",
        "裸の王様 絵本",
        "りかちゃん人形",
        "バッグ",
        "Reserved jeans size M",
        "Reserved for VIP sign",
        "Reserved parking sticker",
        "Threshold for doors",
        "Paul Smith",
        "Dr. Martens",
        "Levi's",
        "Anna Sui perfume",
        "For kids",
        "XL",
        "靴下",
    ],
)
def test_near_misses_are_kept(title: str) -> None:
    assert RULES.verdict([title]) is None


def test_no_title_of_a_real_shop_is_taken_for_a_message() -> None:
    if not FASHION.exists():
        pytest.skip(f"{FASHION} is absent")
    with FASHION.open(encoding="utf-8", newline="") as file:
        titles = [row["title"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)][::8]
    assert Counter(RULES.verdict([title]) for title in titles) == {None: len(titles)}


def test_one_message_among_the_titles_condemns_the_listing() -> None:
    assert RULES.verdict(["Red dress", "ゆき様専用"]) == "reserved-ja"
    assert RULES.verdict(["Red dress", "あ"]) is None
    assert RULES.worth_reading(["Red dress", "あ"]) == ("Red dress",)
    assert RULES.verdict([]) == "no-title"


def test_rules_can_be_chosen_by_language() -> None:
    english = load_rules(languages=["en"])
    assert english.verdict(["みき様専用"]) is None
    assert english.verdict(["Reserved for Anna"]) == "reserved-en"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_own_rules_add_to_the_shipped_ones_and_replace_those_of_the_same_name(tmp_path: Path) -> None:
    own = write(
        tmp_path,
        """
        minimum_letters = 4
        [lists]
        samples = ["muster", "probe"]
        [[rule]]
        name = "sample-de"
        languages = ["de"]
        drop = ['\\b<<samples>>stück\\b']
        examples_drop = ["Musterstück blau"]
        [[rule]]
        name = "name-as-title-en"
        drop = []
        """,
    )
    rules = load_rules(own)
    assert rules.verdict(["Probestück Vorhang"]) == "sample-de"
    assert rules.verdict(["Reserved for Anna"]) == "reserved-en"
    assert rules.verdict(["Anna"]) is None, "switched off"
    assert rules.verdict(["abc"]) == "short-title"
    assert rules.sha256 != RULES.sha256

    alone = load_rules(write(tmp_path, "include_shipped = false\n" + own.read_text(encoding="utf-8")))
    assert alone.verdict(["Reserved for Anna"]) is None


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("rule = [", "no TOML"),
        ("rules = []", "unknown rules"),
        ('[[rule]]\nname = "a"', "rule a needs a name and drop"),
        ('[[rule]]\nname = "a"\ndrop = []\nkep = []', "unknown keys kep"),
        ("[[rule]]\nname = 'a'\ndrop = ['(']", r"pattern '\(' is wrong"),
        ("[[rule]]\nname = 'a'\ndrop = ['<<nobody>>']", "uses <<nobody>>"),
        ("[[rule]]\nname = 'a'\ndrop = ['x']\nexamples_drop = ['yes']", "does not drop 'yes'"),
        ("[[rule]]\nname = 'a'\ndrop = ['x']\nexamples_keep = ['axe']", "drops 'axe'"),
    ],
)
def test_rules_that_cannot_be_meant_are_refused_by_name(tmp_path: Path, text: str, advice: str) -> None:
    with pytest.raises(PairsError, match=rf"own\.toml.*{advice}"):
        load_rules(write(tmp_path, text))
    with pytest.raises(PairsError, match="cannot be read"):
        load_rules(tmp_path / "absent.toml")


@given(st.text())
def test_normalising_twice_changes_nothing(title: str) -> None:
    once = normalise_title(title)
    assert once == " ".join(once.split())
    assert RULES.verdict([title]) == RULES.verdict([title])
