"""Make the shipped gallery of style vectors from the drawings that may be redistributed.

    python -m fewshot.training.style_gallery --data DIR

`DIR/artists/NAME/train` holds the drawings; held-out ones stay out, so that they can still be measured with.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from eval.features import Extractor, extract, get_extractor
from eval.ranking import unit_rows
from eval.style_encoder import SIZE
from eval.style_gallery import GALLERY, HEADER
from fewshot.evaluation.sources import Gathered, gather_drawings
from fewshot.files import atomic_write_bytes
from fewshot.output import notice

ATTRIBUTIONS = {
    "afensorm": "afensorm, Taisei Project, CC BY 4.0",
    "lorelei": "Lisa Wischofsky, Lorelei (DiceBear), CC0 1.0",
    "micah": "Micah Lanier, Avatar Illustration System (DiceBear), CC BY 4.0",
    "notionists": "Zoish, Notionists (DiceBear), CC0 1.0",
    "open_peeps": "Pablo Stanley, Open Peeps (DiceBear), CC0 1.0",
    "revoy": "David Revoy, Pepper&Carrot, CC BY 4.0",
}
"""The hands whose licence lets vectors of their drawings ship, with the words that it asks for."""


def gallery_bytes(artists: Path, judge: Extractor) -> bytes:
    """The gallery file for `artists/NAME/train` of every name in `ATTRIBUTIONS`.

    Raises:
        NotFoundError, BadInputError: as `gather_drawings`.
    """
    vectors = {
        name: framed_vectors(gather_drawings(artists / name / "train", 2 * SIZE), judge)
        for name in ATTRIBUTIONS
    }
    facts = {"encoder": judge.sha256, "attributions": ATTRIBUTIONS}
    return save(vectors, metadata={HEADER: json.dumps(facts, sort_keys=True)})


def framed_vectors(drawings: Gathered, judge: Extractor) -> np.ndarray:
    """Vectors of length one of each drawing in each of its framings, `(N, V, D)` float16."""
    framed = [unit_rows(extract(judge, side.pixels)) for side in drawings.framed()]
    # Half precision: an angle between two drawings changes by less than a thousandth.
    return np.stack(framed, 1).astype(np.float16)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds artists/NAME/train")
    parser.add_argument("--out", type=Path, default=GALLERY)
    options = parser.parse_args()
    content = gallery_bytes(options.data / "artists", get_extractor("style"))
    atomic_write_bytes(options.out, content)
    notice(f"wrote {options.out} ({len(content) / 1e3:.0f} kB, {len(ATTRIBUTIONS)} hands)")


if __name__ == "__main__":
    main()
