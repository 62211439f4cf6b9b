"""`fewshot base train`."""

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fewshot.cli.memory_option import MemoryLimit, limit_of
from fewshot.cli.track_option import Track
from fewshot.output import emit, notice
from fewshot.training.pretrain_config import AUGMENTATIONS, PretrainConfig

if TYPE_CHECKING:
    from fewshot.training.pretrain_run import Source

_DEFAULT = PretrainConfig()
_LOSSES = "Weights of the losses"
_PICTURES = "What the networks are shown"
_MACHINE = "This machine"


def train(
    name: Annotated[str, typer.Option(metavar="TAG", help="The base will be called ARCH.TAG.")],
    photos: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH[:WEIGHT]", help="Folder or .tar of photos; repeat it for several."),
    ] = None,
    drawings: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH[:WEIGHT]", help="Folder or .tar of drawings; repeat it too."),
    ] = None,
    pack: Annotated[
        Path | None,
        typer.Option(metavar="TAR", help="Both sides in one file, as `fewshot base pack` writes it."),
    ] = None,
    arch: Annotated[str, typer.Option(help="Architecture; `fewshot base ls` lists them.")] = _DEFAULT.arch,
    minutes: Annotated[
        float, typer.Option(help="Minutes over all calls of this run; 0 for no limit, then --steps.")
    ] = _DEFAULT.minutes,
    steps: Annotated[str, typer.Option(metavar="N,N…", help="Steps of each stage, such as 600,400.")] = "",
    share: Annotated[
        str, typer.Option(metavar="X,X…", help="How the stages share the minutes, such as 0.6,0.4.")
    ] = "",
    batch: Annotated[int, typer.Option(help="Pairs in a step, over all processes.")] = _DEFAULT.batch,
    lr: Annotated[float, typer.Option(help="Adam's learning rate.")] = _DEFAULT.lr,
    start: Annotated[
        str, typer.Option(metavar="BASE", help="Start from a trained base instead of random weights.")
    ] = "",
    warmup: Annotated[
        int, typer.Option(help="Steps of each stage until the generators learn at full rate.")
    ] = _DEFAULT.warmup,
    tilt: Annotated[
        float, typer.Option(help="Fraction that is rolled, zoomed and shifted.", rich_help_panel=_PICTURES)
    ] = _DEFAULT.tilt,
    hard: Annotated[
        float,
        typer.Option(help="Chance of each hardship: light, cast, grey, blur…", rich_help_panel=_PICTURES),
    ] = _DEFAULT.hard,
    augment: Annotated[
        str,
        typer.Option(
            metavar="A,B…",
            help=f"Differentiable augmentation: {', '.join(AUGMENTATIONS)}.",
            rich_help_panel=_PICTURES,
        ),
    ] = "",
    pool: Annotated[int, typer.Option(help="Past results kept for the discriminator.")] = _DEFAULT.pool,
    ema: Annotated[float, typer.Option(help="Decay of the averaged weights.")] = _DEFAULT.ema,
    seed: Annotated[int, typer.Option(help="Weights, order of pictures, augmentation.")] = _DEFAULT.seed,
    lambda_cycle: Annotated[
        float, typer.Option(help="Photo to drawing and back.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.lambda_cycle,
    lambda_identity: Annotated[
        float, typer.Option(help="Drawings stay as they are.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.lambda_identity,
    lambda_content: Annotated[
        float, typer.Option(help="The layout of the photo stays.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.lambda_content,
    lambda_feature: Annotated[
        float, typer.Option(help="Discriminator on perceptual features.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.lambda_feature,
    lambda_colour: Annotated[
        float, typer.Option(help="Hair and skin keep their colour family.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.lambda_colour,
    lambda_penalty: Annotated[
        float, typer.Option(help="Gradient penalty; slow on a CPU.", rich_help_panel=_LOSSES)
    ] = _DEFAULT.lambda_penalty,
    processes: Annotated[
        int, typer.Option(min=1, help="Processes that train together.", rich_help_panel=_MACHINE)
    ] = 1,
    precision: Annotated[
        Literal["auto", "no", "bf16", "fp16"],
        typer.Option(
            help="auto: bf16 on a GPU that has it, and on a CPU with AVX-512 BF16 or AMX where all "
            "stages have 64 channels or more; else float32 (no).",
            rich_help_panel=_MACHINE,
        ),
    ] = "auto",
    cpu: Annotated[
        bool, typer.Option("--cpu", help="Leave the GPU alone.", rich_help_panel=_MACHINE)
    ] = False,
    save_every: Annotated[
        float, typer.Option(help="Minutes between saved states.", rich_help_panel=_MACHINE)
    ] = _DEFAULT.save_every,
    preview_every: Annotated[
        float, typer.Option(help="Minutes between preview grids.", rich_help_panel=_MACHINE)
    ] = _DEFAULT.preview_every,
    licence: Annotated[
        str, typer.Option(metavar="TEXT", help="Licence words of the pictures, for the card.")
    ] = "not stated: ask before passing these weights on",
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the base [FEWSHOT_HOME/base].")
    ] = None,
    slice_minutes: Annotated[
        float, typer.Option(help="Leave after this long; --resume goes on.", rich_help_panel=_MACHINE)
    ] = math.inf,
    memory_limit: MemoryLimit = None,
    track: Track = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run of this name.")] = False,
) -> None:
    """Train a base model on unpaired photos and drawings, coarse to fine.

    Held-out pictures are never read: folders whose name starts with `heldout`, 03300-03399 of photos_256 and
    anime_256, and the last 60 of facades_512x256.

    Sources of one side are drawn from by their number of pictures; with a :WEIGHT on any of them by weight, 1
    for those without. Ctrl-C ends the steps at hand, saves, writes the base as it is by then and leaves with
    130; --resume goes on from there. Previews and the log are in FEWSHOT_HOME/runs/ARCH.TAG.
    """
    from base_models.architectures import ARCHITECTURES
    from fewshot.errors import NotFoundError
    from fewshot.home import base_folder, check_name
    from fewshot.training.launch import check_share, is_worker, launch, on_cpu

    config = PretrainConfig(
        arch=arch,
        batch=batch,
        lr=lr,
        lambda_cycle=lambda_cycle,
        lambda_identity=lambda_identity,
        lambda_content=lambda_content,
        lambda_feature=lambda_feature,
        lambda_colour=lambda_colour,
        lambda_penalty=lambda_penalty,
        pool=pool,
        ema=ema,
        start=start,
        warmup=warmup,
        tilt=tilt,
        hard=hard,
        augment=tuple(filter(None, augment.split(","))),
        seed=seed,
        steps=tuple(int(number) for number in _numbers("--steps", steps, whole=True)),
        share=_numbers("--share", share),
        minutes=minutes,
        save_every=save_every,
        preview_every=preview_every,
    )
    if arch not in ARCHITECTURES:
        raise NotFoundError(f"there is no architecture {arch!r}", f"choose one of {', '.join(ARCHITECTURES)}")
    config.validate(len(ARCHITECTURES[arch].stages))
    tag = check_name(name)
    sides = _sides(photos or [], drawings or [], pack)
    if processes > 1 and not is_worker():
        check_share(batch, processes)
        there = on_cpu(processes, cpu=cpu, otherwise=", or add --cpu")
        raise typer.Exit(launch(sys.argv[1:], processes, cpu=there))

    from fewshot.training.pretrain_run import BaseRun, train_base

    folder, told = (out or base_folder()).absolute(), tuple(track or ())
    most = limit_of(memory_limit)
    run = BaseRun(config, tag, *sides, licence, folder, precision, cpu, resume, slice_minutes, told, most)
    path, stopped = train_base(run)
    if stopped:
        notice("stopped early; the same command with --resume goes on")
        raise typer.Exit(130)
    emit([{"path": path}], ["path"], "path")


def _sides(
    photos: list[str], drawings: list[str], pack: Path | None
) -> tuple[tuple["Source", ...], tuple["Source", ...]]:
    """The sources of both sides: from one packed file, or as they were named."""
    from fewshot.errors import UsageError

    if pack is None:
        if not (photos and drawings):
            raise UsageError(
                "there are no pictures to train on", "give --photos and --drawings, or one --pack"
            )
        return tuple(map(parse_source, photos)), tuple(map(parse_source, drawings))
    if photos or drawings:
        raise UsageError("--pack holds both sides already", "leave --photos and --drawings out")
    from fewshot.data.training_pack import open_training_pack
    from fewshot.training.pretrain_run import Source

    opened = open_training_pack(pack)
    return (
        tuple(Source(pack, group.weight, group.name, group.px) for group in opened.photos),
        tuple(Source(pack, group.weight, group.name, group.px) for group in opened.drawings),
    )


def _numbers(flag: str, text: str, *, whole: bool = False) -> tuple[float, ...]:
    from fewshot.errors import UsageError

    try:
        return tuple((int if whole else float)(part) for part in text.split(",")) if text else ()
    except ValueError:
        example = "600,400" if whole else "0.6,0.4"
        raise UsageError(f"{flag} {text!r} is no list of numbers", f"write it as {flag} {example}") from None


def parse_source(text: str) -> "Source":
    """Split `PATH:WEIGHT`; a colon in a path that exists is part of the path."""
    from fewshot.errors import NotFoundError, UsageError
    from fewshot.training.pretrain_run import Source

    head, colon, tail = text.rpartition(":")
    path, weight = Path(text).expanduser(), None
    if colon and not path.exists():
        try:
            path, weight = Path(head).expanduser(), float(tail)
        except ValueError:
            pass
        else:
            if not (math.isfinite(weight) and weight > 0):
                raise UsageError(f"{text}: the weight {tail} is not above 0", f"write it as {head}:0.5")
    if not path.exists():
        raise NotFoundError(f"{path} does not exist", "give a folder of pictures or a .tar archive of them")
    return Source(path, weight)
