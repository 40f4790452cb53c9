"""Fashion: shoes and bags."""

from __future__ import annotations

from ruiji_demo.catalogue.drawing.patterns import Pattern
from ruiji_demo.catalogue.drawing.products import bags, shoes, sneakers
from ruiji_demo.catalogue.drawing.sketch import Pose
from ruiji_demo.catalogue.taxonomy.leaf import CLOTH, LEATHER, SHELL, Leaf

LEAVES: tuple[Leaf, ...] = (
    Leaf(
        path=("Fashion", "Shoes", "Sneakers"),
        nouns=("sneakers", "trainers"),
        nouns_ja=("スニーカー",),
        styles={"low-top": "ローカット", "high-top": "ハイカット", "slip-on": "スリッポン", "running": "ランニング"},
        patterns=CLOTH,
        median_price_minor=6800,
        price_sigma=0.55,
        pose=Pose.STANDING,
        draw=sneakers.sneaker,
    ),
    Leaf(
        path=("Fashion", "Shoes", "Boots"),
        nouns=("boots",),
        nouns_ja=("ブーツ",),
        styles={"chelsea": "サイドゴア", "lace-up": "レースアップ", "rain": "レイン", "long": "ロング"},
        patterns=LEATHER,
        median_price_minor=9200,
        price_sigma=0.55,
        pose=Pose.STANDING,
        draw=shoes.boot,
    ),
    Leaf(
        path=("Fashion", "Shoes", "Heels"),
        nouns=("heels", "high heels"),
        nouns_ja=("ヒール", "ハイヒール"),
        styles={"pump": "パンプス", "stiletto": "ピン", "wedge": "ウェッジ", "block": "ブロック"},
        patterns=LEATHER,
        median_price_minor=5900,
        price_sigma=0.55,
        pose=Pose.STANDING,
        draw=shoes.heel,
    ),
    Leaf(
        path=("Fashion", "Shoes", "Sandals"),
        nouns=("sandals",),
        nouns_ja=("サンダル",),
        styles={"flip-flop": "ビーチ", "slide": "スライド", "strappy": "ストラップ"},
        patterns=LEATHER,
        median_price_minor=2900,
        price_sigma=0.50,
        pose=Pose.LYING,
        draw=shoes.sandal,
    ),
    Leaf(
        path=("Fashion", "Bags", "Handbags"),
        nouns=("handbag", "bag"),
        nouns_ja=("ハンドバッグ", "バッグ"),
        styles={"satchel": "サッチェル", "top-handle": "トップハンドル", "bucket": "巾着", "chain": "チェーン"},
        patterns=LEATHER,
        median_price_minor=12800,
        price_sigma=0.75,
        pose=Pose.STANDING,
        draw=bags.handbag,
    ),
    Leaf(
        path=("Fashion", "Bags", "Backpacks"),
        nouns=("backpack", "rucksack"),
        nouns_ja=("リュック", "バックパック"),
        styles={"daypack": "デイパック", "roll-top": "ロールトップ", "mini": "ミニ"},
        patterns=CLOTH,
        median_price_minor=5400,
        price_sigma=0.55,
        pose=Pose.STANDING,
        draw=bags.backpack,
    ),
    Leaf(
        path=("Fashion", "Bags", "Tote bags"),
        nouns=("tote bag", "tote"),
        nouns_ja=("トートバッグ",),
        styles={"tall": "縦型", "wide": "横型", "two-tone": "バイカラー"},
        patterns=CLOTH,
        median_price_minor=2800,
        price_sigma=0.55,
        pose=Pose.STANDING,
        draw=bags.tote,
    ),
    Leaf(
        path=("Fashion", "Bags", "Suitcases"),
        nouns=("suitcase", "travel case"),
        nouns_ja=("スーツケース", "キャリーケース"),
        styles={"hard-shell": "ハード", "soft-shell": "ソフト", "vintage": "ヴィンテージ"},
        patterns=(*SHELL, Pattern.CHECKED, Pattern.FLORAL),
        median_price_minor=11500,
        price_sigma=0.50,
        pose=Pose.STANDING,
        draw=bags.suitcase,
    ),
)
