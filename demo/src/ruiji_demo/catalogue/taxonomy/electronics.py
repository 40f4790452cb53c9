"""Electronics: audio, computing, photo, gaming."""

from __future__ import annotations

from ruiji_demo.catalogue.drawing.patterns import Pattern
from ruiji_demo.catalogue.drawing.products import audio, gadgets, screens
from ruiji_demo.catalogue.drawing.sketch import Pose
from ruiji_demo.catalogue.taxonomy.leaf import SHELL, Leaf

LEAVES: tuple[Leaf, ...] = (
    Leaf(
        path=("Electronics", "Audio", "Headphones"),
        nouns=("headphones",),
        nouns_ja=("ヘッドホン", "ヘッドフォン"),
        styles={"over-ear": "オーバーイヤー", "on-ear": "オンイヤー", "earbuds": "イヤホン型"},
        patterns=SHELL,
        median_price_minor=11800,
        price_sigma=0.75,
        pose=Pose.LYING,
        draw=audio.headphones,
    ),
    Leaf(
        path=("Electronics", "Audio", "Speakers"),
        nouns=("speaker",),
        nouns_ja=("スピーカー",),
        styles={"bookshelf": "ブックシェルフ", "portable": "ポータブル", "smart": "スマート"},
        patterns=(*SHELL, Pattern.WOODEN),
        median_price_minor=13500,
        price_sigma=0.70,
        pose=Pose.STANDING,
        draw=audio.speaker,
    ),
    Leaf(
        path=("Electronics", "Computing", "Smartphones"),
        nouns=("smartphone", "phone"),
        nouns_ja=("スマートフォン", "スマホ"),
        styles={"large-screen": "大画面", "triple-camera": "カメラ付き", "folding": "折りたたみ"},
        patterns=SHELL,
        median_price_minor=42000,
        price_sigma=0.55,
        pose=Pose.LYING,
        draw=screens.smartphone,
    ),
    Leaf(
        path=("Electronics", "Computing", "Laptops"),
        nouns=("laptop", "notebook computer"),
        nouns_ja=("ノートパソコン", "ノートPC"),
        styles={"everyday": "スタンダード", "thin": "薄型", "gaming": "ゲーミング"},
        patterns=SHELL,
        median_price_minor=78000,
        price_sigma=0.55,
        pose=Pose.STANDING,
        draw=screens.laptop,
    ),
    Leaf(
        path=("Electronics", "Photo", "Cameras"),
        nouns=("camera",),
        nouns_ja=("カメラ",),
        styles={"mirrorless": "ミラーレス", "retro": "レトロ", "instant": "インスタント"},
        patterns=SHELL,
        median_price_minor=46000,
        price_sigma=0.80,
        pose=Pose.STANDING,
        draw=gadgets.camera,
    ),
    Leaf(
        path=("Electronics", "Gaming", "Game controllers"),
        nouns=("game controller", "controller"),
        nouns_ja=("コントローラー",),
        styles={"wireless": "ワイヤレス", "handheld": "携帯型", "arcade": "アーケード"},
        patterns=(*SHELL, Pattern.CAMOUFLAGE),
        median_price_minor=6200,
        price_sigma=0.50,
        pose=Pose.LYING,
        draw=gadgets.game_controller,
    ),
)
