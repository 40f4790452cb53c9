"""Fashion: caps, hats, watches, sunglasses, umbrellas, ties."""

from __future__ import annotations

from ruiji_demo.catalogue.drawing.products import accessories, headwear
from ruiji_demo.catalogue.drawing.sketch import Pose
from ruiji_demo.catalogue.taxonomy.leaf import CLOTH, LEATHER, SHELL, Leaf

LEAVES: tuple[Leaf, ...] = (
    Leaf(
        path=("Fashion", "Accessories", "Caps"),
        nouns=("cap", "baseball cap"),
        nouns_ja=("キャップ", "帽子 キャップ"),
        styles={"curved-brim": "カーブ", "flat-brim": "フラット", "trucker": "メッシュ"},
        patterns=CLOTH,
        median_price_minor=2300,
        price_sigma=0.45,
        pose=Pose.STANDING,
        draw=headwear.cap,
    ),
    Leaf(
        path=("Fashion", "Accessories", "Hats"),
        nouns=("hat",),
        nouns_ja=("ハット", "帽子 ハット"),
        styles={"fedora": "中折れ", "wide-brim": "つば広", "bucket": "バケット", "beanie": "ビーニー"},
        patterns=CLOTH,
        median_price_minor=2700,
        price_sigma=0.50,
        pose=Pose.STANDING,
        draw=headwear.hat,
    ),
    Leaf(
        path=("Fashion", "Accessories", "Watches"),
        nouns=("watch", "wristwatch"),
        nouns_ja=("腕時計", "ウォッチ"),
        styles={"round": "ラウンド", "square": "スクエア", "digital": "デジタル"},
        patterns=LEATHER[:3],
        median_price_minor=14500,
        price_sigma=0.90,
        pose=Pose.LYING,
        draw=accessories.watch,
    ),
    Leaf(
        path=("Fashion", "Accessories", "Sunglasses"),
        nouns=("sunglasses",),
        nouns_ja=("サングラス",),
        styles={"round": "ラウンド", "aviator": "アビエーター", "square": "ウェリントン", "cat-eye": "キャットアイ"},
        patterns=SHELL,
        median_price_minor=4800,
        price_sigma=0.65,
        pose=Pose.LYING,
        draw=accessories.sunglasses,
    ),
    Leaf(
        path=("Fashion", "Accessories", "Umbrellas"),
        nouns=("umbrella",),
        nouns_ja=("傘", "アンブレラ"),
        styles={"dome": "ドーム", "golf": "ゴルフ", "parasol": "日傘"},
        patterns=CLOTH,
        median_price_minor=2200,
        price_sigma=0.50,
        pose=Pose.LYING,
        draw=accessories.umbrella,
    ),
    Leaf(
        path=("Fashion", "Accessories", "Ties"),
        nouns=("tie", "necktie"),
        nouns_ja=("ネクタイ", "タイ"),
        styles={"classic": "レギュラー", "slim": "ナロー", "knit": "ニット", "bow": "蝶"},
        patterns=CLOTH,
        median_price_minor=2600,
        price_sigma=0.50,
        pose=Pose.LYING,
        draw=accessories.tie,
    ),
)
