"""A base with styles merged into it as one ONNX file that needs nothing of ours, and its card beside it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from base_models.onnx_builder import INPUT, OUTPUT
from base_models.onnx_graph import OPSET, build_onnx
from fewshot.adapters.algebra import blend
from fewshot.consent import require
from fewshot.errors import ConflictError, UsageError
from fewshot.files import atomic_write_bytes, atomic_write_text

if TYPE_CHECKING:
    from base_models.arrays import BaseArrays
    from fewshot.inference.engine import Styles

_CARD = """\
# {title}

Redraws photos. One file for [ONNX Runtime](https://onnxruntime.ai) or any other runtime of opset {opset}; it
needs neither fewshot-style nor torch.

- base: `{base}`, sha256 `{base_sha256}`
- styles and their weights: {styles}
- licence of the base's training data: {base_licence}
- licence of the styles: {licences}
- consent of the artists: {consents}
- sha256 of `{file}`: `{sha256}`

## Use

`{input}` is uint8 RGB `(N, H, W, 3)`, `{output}` the same. H and W are multiples of {multiple}; the model was
made for faces that fill a square of {size} px, framed like a selfie.

```python
import numpy as np, onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("{file}")
photo = np.asarray(Image.open("face.png").convert("RGB").resize(({size}, {size})))[None]
(drawing,) = session.run(["{output}"], {{"{input}": photo}})
Image.fromarray(drawing[0]).save("drawing.png")
```
"""


def export_onnx(base: BaseArrays, styles: Styles, path: Path, *, overwrite: bool = False) -> Path:
    """Write `path` and its card, `path` with the ending `.md`.

    Args:
        base: the base model.
        styles: adapters and their weights; none exports the base itself.
        path: ends in `.onnx`.

    Returns:
        the card's path.

    Raises:
        UsageError: another ending.
        ConflictError: one of the two files exists.
        IntegrityError: an adapter of another base, damaged, or without consent.
        BadInputError: the folder cannot be written to or the disk is full.
    """
    if path.suffix != ".onnx":
        raise UsageError(
            f"-o {path}: expected a name that ends in .onnx", f"use -o {path.stem or 'mine'}.onnx"
        )
    card = path.with_suffix(".md")
    for existing in (path, card):
        if existing.exists() and not overwrite:
            raise ConflictError(f"{existing} exists already", "choose another name, or add --overwrite")
    for adapter, _ in styles:
        require(adapter.name, adapter.consent.refusal())
    facts = _facts(base, styles)
    metadata = {"fewshot": json.dumps(facts, sort_keys=True, ensure_ascii=False)}
    model = build_onnx(base.architecture, blend(base, styles), metadata)
    atomic_write_bytes(path, model)
    atomic_write_text(card, _card(facts, base, path.name, hashlib.sha256(model).hexdigest()))
    return card


def _facts(base: BaseArrays, styles: Styles) -> dict[str, Any]:
    return {
        "base": {"name": base.name, "sha256": base.sha256, "licence": base.header.get("licence", "")},
        "styles": [
            {
                "name": adapter.name,
                "weight": weight,
                "sha256": adapter.sha256,
                "licence": adapter.licence,
                "consent": str(adapter.consent),
            }
            for adapter, weight in styles
        ],
        "size": base.size,
        "multiple": base.multiple,
    }


def _card(facts: dict[str, Any], base: BaseArrays, file: str, sha256: str) -> str:
    styles = facts["styles"]

    def listed(key: str, none: str) -> str:
        return ", ".join(f"{style['name']}: {style[key] or 'not stated'}" for style in styles) or none

    return _CARD.format(
        title=" + ".join(style["name"] for style in styles) or base.name,
        opset=OPSET,
        base=base.name,
        base_sha256=base.sha256,
        styles=", ".join(f"`{style['name']}` {style['weight']:g}" for style in styles) or "none",
        base_licence=facts["base"]["licence"] or "not stated",
        licences=listed("licence", "none"),
        consents=listed("consent", "none"),
        file=file,
        sha256=sha256,
        input=INPUT,
        output=OUTPUT,
        multiple=facts["multiple"],
        size=facts["size"],
    )
