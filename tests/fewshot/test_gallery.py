"""The shipped hands as negatives."""

from pathlib import Path

import numpy as np

from eval.features import get_extractor
from fewshot.data.packs import load_pack
from fewshot.evaluation.features import framed_features_of
from fewshot.evaluation.gallery import gallery_hands, known_hands
from fewshot.evaluation.sources import gather
from fewshot.samples import sample_folder


def test_a_new_hand_meets_all_of_them_and_other_extractors_none() -> None:
    pictures = gather(sample_folder("riso"), 128).pixels[:8]
    judge = get_extractor("style")
    drawings = framed_features_of(judge, pictures)
    assert gallery_hands(judge, drawings).keys() == known_hands(judge).vectors.keys()
    other = get_extractor("colour-edge")
    assert gallery_hands(other, framed_features_of(other, pictures)) == {}


def test_the_artist_is_not_their_own_negative(shared: Path) -> None:
    """Known by the drawings, not by a name: other files of the same drawings, mirrored and smaller."""
    judge = get_extractor("style")
    for name in ("lorelei", "revoy"):
        pack = load_pack(shared / "data" / "artists" / name / "train", 144)
        drawings = framed_features_of(judge, np.ascontiguousarray(pack.pixels[..., ::-1]))
        hands = gallery_hands(judge, drawings)
        assert name not in hands
        assert len(hands) >= len(known_hands(judge).vectors) - 2
