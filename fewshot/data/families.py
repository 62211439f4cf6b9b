"""Drawings that repeat each other nearly, as families: a fold that shares one with the training part rewards
memorising, so a family is never split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from fewshot.data.duplicates import fingerprint, near_pairs

if TYPE_CHECKING:
    from fewshot.data.style_set import StylePicture


def families(pictures: Sequence[StylePicture], seed: int) -> list[list[StylePicture]]:
    """Group near and mirrored copies, and copies of copies; a drawing without one is a family of its own.

    Which drawings go together, and the order of families and of drawings in each, depend on the drawings'
    content and `seed`, never on file names.
    """

    def order(picture: StylePicture) -> bytes:
        return hashlib.sha256(f"{seed}:{picture.hash}".encode()).digest()

    known = sorted(pictures, key=lambda picture: picture.hash)
    first = list(range(len(known)))
    for one, other in near_pairs([fingerprint(Image.fromarray(p.whole), p.hash) for p in known]):
        kept, joined = sorted((first[one], first[other]))
        first = [kept if family == joined else family for family in first]
    found: dict[int, list[StylePicture]] = {}
    for index, picture in enumerate(known):
        found.setdefault(first[index], []).append(picture)
    return sorted((sorted(family, key=order) for family in found.values()), key=lambda f: order(f[0]))


def apart(pictures: Sequence[StylePicture], count: int, seed: int) -> list[list[StylePicture]] | None:
    """Divide into `count` parts of nearly equal size with no family in two of them.

    Returns:
        the parts, two drawings or more in each; None where the families allow none such.
    """
    parts: list[list[StylePicture]] = [[] for _ in range(count)]
    # The large first, so that the small even out what they leave.
    for family in sorted(families(pictures, seed), key=len, reverse=True):
        min(parts, key=len).extend(family)
    return parts if min(map(len, parts)) > 1 else None
