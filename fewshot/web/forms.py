"""The forms that the API takes: their description, and from their fields to what is wished."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from fewshot.inference.print_layout import PAPERS
from fewshot.web.problems import Problem
from fewshot.web.wish import BACKGROUNDS, CROPS, FORMATS, FileFormat, Wish

if TYPE_CHECKING:
    from fewshot.web.booth import Booth
    from fewshot.web.uploads import Form

MEDIA = {"png": "image/png", "webp": "image/webp", "jpeg": "image/jpeg"}
SIZES = 64, 1024
"""Shorter side of a drawing of a face, px."""


def described(**files: str) -> dict[str, Any]:
    """OpenAPI of a form with one file and texts."""
    (name, words), *_ = files.items()
    texts = {
        "style": {
            "type": "array",
            "items": {"type": "string"},
            "maxItems": 2,
            "description": "NAME or NAME:WEIGHT, weight 0 to 2; two blend; none is the base",
        },
        "crop": {"type": "string", "enum": list(CROPS)},
        "background": {"type": "string", "enum": list(BACKGROUNDS)},
        "format": {"type": "string", "enum": list(FORMATS)},
        "size": {"type": "integer", "minimum": SIZES[0], "maximum": SIZES[1]},
        "light": {"type": "string", "enum": ["auto", "keep"]},
        "keep": {"type": "boolean"},
    }
    properties: dict[str, Any] = {name: {"type": "string", "format": "binary", "description": words}}
    if name == "photo":
        properties |= texts
    if name == "drawing":
        properties |= {"paper": {"type": "string", "enum": list(PAPERS)}}
    schema = {"type": "object", "required": [name], "properties": properties}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def pictures(*kinds: str) -> dict[int | str, dict[str, Any]]:
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {200: {"description": "The picture.", "content": content}}


def wish_of(booth: Booth, form: Form) -> Wish:
    form.only("photo", "style", "crop", "background", "format", "size", "light", "keep")
    size = form.text("size")
    if size and not (size.isdecimal() and SIZES[0] <= int(size) <= SIZES[1]):
        raise Problem(422, f"size {size[:20]!r} is not possible", f"a number from {SIZES[0]} to {SIZES[1]}")
    return Wish(
        booth.blend([text for text in form.texts.get("style", []) if text]),
        cast(Any, one_of(form, "crop", CROPS)),
        cast(Any, one_of(form, "background", BACKGROUNDS)),
        cast(FileFormat, one_of(form, "format", FORMATS)),
        int(size) if size else None,
        one_of(form, "light", ("auto", "keep")) == "auto",
        form.flag("keep"),
    )


def one_of(form: Form, name: str, known: tuple[str, ...]) -> str:
    """The value of a field, the first of the known ones when it is left out."""
    value = form.text(name) or known[0]
    if value not in known:
        raise Problem(422, f"{name} {value[:20]!r} is unknown", f"one of {', '.join(known)}")
    return value
