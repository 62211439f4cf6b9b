"""`fewshot base ablate` and `fewshot base facades`: the paper's two claims, tested under equal budgets."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fewshot.output import emit
from fewshot.training.pretrain_config import PretrainConfig

if TYPE_CHECKING:
    from fewshot.training.pretrain_run import BaseRun, Source

_DEFAULT = PretrainConfig()
# The paper's adversarial and cycle losses alone, without its penalty, which doubles the cost. Terms that tie
# colours or layout to the photo's would be wrong for label maps.
_PAPER = replace(
    _DEFAULT, lambda_content=0.0, lambda_feature=0.0, lambda_colour=0.0, jitter=0.0, tilt=0.0, hard=0.0
)

Pairs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Equal budgets in pairs: every model sees N photo/drawing pairs, its lower stages included. "
        "Either this or --minutes.",
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(
        metavar="M",
        help="Equal budgets in time: every model is trained for M minutes, its lower stages included, on a "
        "machine that does nothing else. Either this or --pairs.",
    ),
]
Name = Annotated[str, typer.Option(metavar="TAG", help="Name of the experiment; repeat it to go on.")]
Arch = Annotated[str, typer.Option(help="Architecture that the models are derived from.")]
Seed = Annotated[int, typer.Option(help="Weights, order of pictures, augmentation.")]
Batch = Annotated[int, typer.Option(min=1, help="Pairs in a step.")]
Rate = Annotated[float, typer.Option(help="Adam's learning rate; a larger batch wants a higher one.")]
Content = Annotated[float, typer.Option(help="Weight of the loss on the photo's layout.")]
Feature = Annotated[float, typer.Option(help="Weight of the discriminator on perceptual features.")]
Precision = Annotated[
    Literal["auto", "no", "bf16", "fp16"], typer.Option(help="As for `fewshot base train`.")
]
Cpu = Annotated[bool, typer.Option("--cpu", help="Leave the GPU alone.")]
TableFormat = Annotated[Literal["table", "json"], typer.Option(help="How to print: table or json.")]


def ablate(
    photos: Annotated[
        list[Path], typer.Option(metavar="PATH", help="Folder or .tar of photos; repeat it for several.")
    ],
    drawings: Annotated[
        list[Path], typer.Option(metavar="PATH", help="Folder or .tar of drawings; repeat it too.")
    ],
    name: Name,
    pairs: Pairs = None,
    minutes: Minutes = None,
    pack: Annotated[
        Path | None,
        typer.Option(
            metavar="TAR",
            help="Train on this file, as `fewshot base pack` writes it; --photos and --drawings then only "
            "give the held-out pictures.",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VARIANT",
            help="Only this one: stage1, one_stage, stacked, no_skip, no_fusion or full; repeat it for "
            "several [all six].",
        ),
    ] = None,
    arch: Arch = _DEFAULT.arch,
    seed: Seed = _DEFAULT.seed,
    batch: Batch = _DEFAULT.batch,
    lr: Rate = _DEFAULT.lr,
    lambda_content: Content = _DEFAULT.lambda_content,
    lambda_feature: Feature = _DEFAULT.lambda_feature,
    extractor: Annotated[
        str, typer.Option(help="Features of KID and FID; ones that were in no loss: random or colour-edge.")
    ] = "random",
    weights: Annotated[
        Path | None, typer.Option(help="Weight file of the extractor, where it needs one.")
    ] = None,
    precision: Precision = "auto",
    cpu: Cpu = False,
    format: TableFormat = "table",
) -> None:
    """Train variants of an architecture with equal budgets and measure them on held-out pictures.

    Equal in pairs or in minutes: --pairs asks which model learns most from the same pictures, --minutes which
    gets furthest in the same time. Neither is the other; the table tells both for every model.

    The lowest stage alone; one stage of the same parameter count at the final size; stacked without skip and
    fusion; without skip; without fusion; and the full one. The stacked ones share one lowest stage, which
    counts for each of them.

    Held-out pictures are measured with and never trained on: folders whose name starts with `heldout`, and
    03300-03399 of photos_256 and anime_256. Ctrl-C ends the steps at hand and saves; the same command goes
    on, and skips what is finished. Models, numbers and a sheet are in FEWSHOT_HOME/runs.
    """
    from base_models.architectures import ARCHITECTURES
    from fewshot.evaluation.ablation_table import (
        ALL_COLUMNS,
        COLUMNS,
        TEXTS,
        held_out_part,
        run_ablation,
        table_row,
        to_train_on,
    )
    from fewshot.evaluation.base_report import Settings
    from fewshot.training.ablation import Budget

    budget, names = Budget(pairs or 0, minutes or 0.0), _variants(model)
    config = replace(
        _DEFAULT,
        seed=seed,
        batch=batch,
        lr=lr,
        lambda_content=lambda_content,
        lambda_feature=lambda_feature,
    )
    template = _template(config, arch, name, precision, cpu)
    _check_paths([*photos, *drawings])
    largest = round(ARCHITECTURES[arch].stages[-1].size * config.margin)
    sides = _packed(pack, largest) if pack else (to_train_on(photos), to_train_on(drawings))
    template = replace(template, photos=sides[0], drawings=sides[1])
    (shown, indices), (drawn, drawing_indices) = held_out_part(photos), held_out_part(drawings)
    settings = Settings(shown, drawn, indices, drawing_indices, extractor=extractor, weights=weights)
    rows = run_ablation(template, budget, settings, names)
    if format == "json":
        emit(rows, ALL_COLUMNS, "json")
    else:
        emit([table_row(row, TEXTS) for row in rows], COLUMNS)


def facades(
    source: Annotated[
        Path, typer.Argument(metavar="TAR", help="Pictures with the photo left and its label map right.")
    ],
    name: Name,
    pairs: Pairs = None,
    minutes: Minutes = None,
    arch: Arch = _DEFAULT.arch,
    seed: Seed = _PAPER.seed,
    batch: Batch = _PAPER.batch,
    lr: Rate = _PAPER.lr,
    lambda_content: Content = _PAPER.lambda_content,
    lambda_feature: Feature = _PAPER.lambda_feature,
    precision: Precision = "auto",
    cpu: Cpu = False,
    format: TableFormat = "table",
) -> None:
    """Train on unpaired halves, test on paired ones: PSNR and SSIM of three models in both directions.

    One stage, stacked without skip and fusion, and the full one, with the paper's losses and budgets equal in
    --pairs or in --minutes; the table tells both. The last 60 of facades_512x256 are held out for the test.
    Numbers carry 95 % intervals; a gain is over the one stage, picture by picture. Ctrl-C ends the steps at
    hand and saves; the same command goes on.
    """
    from fewshot.evaluation.ablation_table import table_row
    from fewshot.evaluation.paired import ALL_COLUMNS, COLUMNS, TEXTS, run_benchmark
    from fewshot.training.ablation import Budget

    budget = Budget(pairs or 0, minutes or 0.0)
    config = replace(
        _PAPER,
        seed=seed,
        batch=batch,
        lr=lr,
        lambda_content=lambda_content,
        lambda_feature=lambda_feature,
    )
    rows = run_benchmark(_template(config, arch, name, precision, cpu), source, budget)
    if format == "json":
        emit(rows, ALL_COLUMNS, "json")
    else:
        emit([table_row(row, TEXTS) for row in rows], COLUMNS)


def _variants(asked: list[str] | None) -> tuple[str, ...]:
    """The variants that were asked for, each once, in the order of the table."""
    from base_models.variants import VARIANTS
    from fewshot.errors import NotFoundError

    for name in asked or ():
        if name not in VARIANTS:
            raise NotFoundError(f"there is no variant {name!r}", f"choose of {', '.join(VARIANTS)}")
    return tuple(name for name in VARIANTS if not asked or name in asked)


def _check_paths(paths: list[Path]) -> None:
    from fewshot.errors import NotFoundError

    for path in paths:
        if not path.exists():
            raise NotFoundError(
                f"{path} does not exist", "give a folder of pictures or a .tar archive of them"
            )


def _packed(pack: Path, size: int) -> tuple[tuple["Source", ...], tuple["Source", ...]]:
    """Both sides of a training pack, without drawings that are soft at `size` px.

    `fewshot base train` shows those to the lower stages. Here they would be pictures that a network of one
    stage never sees, so no stage gets them.
    """
    from fewshot.data.training_pack import open_training_pack
    from fewshot.training.pretrain_run import Source

    opened = open_training_pack(pack)
    sharp = [group for group in opened.drawings if 4 * group.px >= 3 * size] or opened.drawings
    sides = ([Source(pack, g.weight, g.name) for g in groups] for groups in (opened.photos, sharp))
    photos, drawings = map(tuple, sides)
    return photos, drawings


def _template(config: PretrainConfig, arch: str, tag: str, precision: str, cpu: bool) -> "BaseRun":
    from base_models.architectures import ARCHITECTURES
    from fewshot.errors import NotFoundError
    from fewshot.home import check_name, home
    from fewshot.training.pretrain_run import BaseRun

    if arch not in ARCHITECTURES:
        raise NotFoundError(f"there is no architecture {arch!r}", f"choose one of {', '.join(ARCHITECTURES)}")
    return BaseRun(
        replace(config, arch=arch),
        check_name(tag),
        (),
        (),
        "not stated: made to be measured, not to be passed on",
        home() / "runs",
        precision,
        cpu,
    )
