"""Leisure: music, sports, cycling, toys."""

from __future__ import annotations

from ruiji_demo.catalogue.drawing.patterns import Pattern
from ruiji_demo.catalogue.drawing.products import guitars, sports, toys, wheels
from ruiji_demo.catalogue.drawing.sketch import Pose
from ruiji_demo.catalogue.taxonomy.leaf import SHELL, TIMBER, Leaf

LEAVES: tuple[Leaf, ...] = (
    Leaf(
        path=("Leisure", "Music", "Guitars"),
        nouns=("guitar",),
        nouns_ja=("ギター",),
        styles={
            "acoustic": "アコースティック",
            "electric": "エレキ",
            "single-cut": "シングルカット",
            "ukulele": "ウクレレ",
        },
        patterns=TIMBER,
        median_price_minor=31000,
        price_sigma=0.75,
        pose=Pose.LYING,
        draw=guitars.guitar,
    ),
    Leaf(
        path=("Leisure", "Sports", "Balls"),
        nouns=("ball",),
        nouns_ja=("ボール",),
        styles={
            "football": "サッカー",
            "basketball": "バスケット",
            "volleyball": "バレー",
            "tennis": "テニス",
            "rugby": "ラグビー",
        },
        patterns=(Pattern.MATTE, Pattern.GLOSSY),
        median_price_minor=2700,
        price_sigma=0.50,
        pose=Pose.STANDING,
        draw=sports.ball,
    ),
    Leaf(
        path=("Leisure", "Sports", "Rackets"),
        nouns=("racket",),
        nouns_ja=("ラケット",),
        styles={"tennis": "テニス", "badminton": "バドミントン", "table-tennis": "卓球"},
        patterns=SHELL,
        median_price_minor=8400,
        price_sigma=0.60,
        pose=Pose.LYING,
        draw=sports.racket,
    ),
    Leaf(
        path=("Leisure", "Sports", "Skateboards"),
        nouns=("skateboard",),
        nouns_ja=("スケートボード", "スケボー"),
        styles={"street": "ストリート", "cruiser": "クルーザー", "longboard": "ロング"},
        patterns=(*SHELL[:2], Pattern.WOODEN, Pattern.STRIPED, Pattern.CHECKED, Pattern.CAMOUFLAGE),
        median_price_minor=8800,
        price_sigma=0.50,
        pose=Pose.LYING,
        draw=wheels.skateboard,
    ),
    Leaf(
        path=("Leisure", "Cycling", "Bicycles"),
        nouns=("bicycle", "bike"),
        nouns_ja=("自転車",),
        styles={"city": "シティ", "road": "ロード", "mountain": "マウンテン"},
        patterns=SHELL,
        median_price_minor=36000,
        price_sigma=0.65,
        pose=Pose.STANDING,
        draw=wheels.bicycle,
    ),
    Leaf(
        path=("Leisure", "Toys", "Soft toys"),
        nouns=("soft toy", "plush"),
        nouns_ja=("ぬいぐるみ",),
        styles={"bear": "くま", "rabbit": "うさぎ", "cat": "ねこ"},
        patterns=(Pattern.PLAIN, Pattern.CHECKED, Pattern.DOTTED, Pattern.FLORAL),
        median_price_minor=2100,
        price_sigma=0.50,
        pose=Pose.STANDING,
        draw=toys.soft_toy,
    ),
)
