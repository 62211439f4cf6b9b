"""`fewshot base pack`: clean and align the pictures for a base, and put them into one file."""

from pathlib import Path
from typing import Annotated

import typer

from fewshot.output import Format, emit


def pack(
    photos: Annotated[
        list[str],
        typer.Option(metavar="PATH[:WEIGHT]", help="Folder or .tar of photos; repeat it for several."),
    ],
    drawings: Annotated[
        list[str], typer.Option(metavar="PATH[:WEIGHT]", help="Folder or .tar of drawings; repeat it too.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.tar", help="The pack; replaced if it exists.")],
    limit_mb: Annotated[
        float,
        typer.Option(
            min=1, help="Most the file may have, in 10⁶ bytes: lower WebP quality first, then fewer pictures."
        ),
    ] = 55.0,
    size: Annotated[
        int, typer.Option(min=32, max=1024, help="Side of the pictures, px; smaller ones keep their own.")
    ] = 288,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="YuNet, face_detection_yunet.onnx [FEWSHOT_HOME, or download]."),
    ] = None,
    cascade: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="lbpcascade_animeface.xml for drawings [likewise]."),
    ] = None,
    format: Annotated[Format, typer.Option(help="How to print: table, json, or path.")] = "table",
) -> None:
    """Clean, align and pack unpaired photos and drawings for `fewshot base train --pack`.

    Faces are brought to one place, size and angle, the same on both sides. Left out are held-out pictures,
    copies, grey and unreadable ones, wide frames, drawings without a face, and most photos without one; each
    is counted. The same input gives the same bytes.

    A :WEIGHT says how often a source is drawn from, relative to the others of its side; 1 for those without.
    """
    from fewshot.cli.base_train import parse_source
    from fewshot.data.faces import DrawnFaceFinder, FaceFinder
    from fewshot.data.pack_inspect import Finders, Side
    from fewshot.data.training_pack import PackSource, write_training_pack

    def read(texts: list[str], side: Side) -> list[PackSource]:
        return [
            PackSource(s.path, side, 1.0 if s.weight is None else s.weight) for s in map(parse_source, texts)
        ]

    sources = [*read(photos, "photos"), *read(drawings, "drawings")]
    finders = Finders(FaceFinder(detector), DrawnFaceFinder(cascade))
    written = write_training_pack(sources, out, finders, size=size, limit_mb=limit_mb)
    rows = [
        {
            "group": group["name"],
            "pictures": group["count"],
            "px": group["px"],
            "weight": group["weight"],
            "left out": ", ".join(f"{count} {why}" for why, count in group["left_out"].items() if count),
            "path": str(out),
        }
        for group in written.index["groups"]
    ]
    emit([rows[0]] if format == "path" else rows, ["group", "pictures", "px", "weight", "left out"], format)
