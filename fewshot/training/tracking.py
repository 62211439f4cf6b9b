"""What a run tells others while it goes: numbers, previews and its settings, to wandb or TensorBoard.

The trackers are Accelerate's. Without an account, or where nobody said otherwise, wandb works offline: it
writes a folder that `wandb sync` sends, and nothing leaves this machine. A run's own `log.jsonl` and
`samples/` are written in any case.
"""

from __future__ import annotations

import importlib.util
import json
import netrc
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fewshot.errors import UsageError
from fewshot.files import atomic_write_text
from fewshot.output import notice

if TYPE_CHECKING:
    from accelerate import Accelerator
    from PIL import Image

TRACKERS = ("wandb", "tensorboard")
PROJECT = "fewshot"
"""What the runs are collected under."""


def check_trackers(kinds: Sequence[str]) -> tuple[str, ...]:
    """The trackers that are meant, each once.

    Raises:
        UsageError: an unknown one, or one that is not installed.
    """
    for kind in kinds:
        if kind not in TRACKERS:
            raise UsageError(f"--track {kind}: there is no such tracker", f"use {' or '.join(TRACKERS)}")
        if importlib.util.find_spec(kind) is None:
            raise UsageError(f"--track {kind}: it is not installed", f"install it: pip install {kind}")
    return tuple(dict.fromkeys(kinds))


class Tracking:
    """The trackers of one run; does nothing where there are none.

    Args:
        accelerator: made with `log_with` and a folder (`make_accelerator`).
        folder: of the run.
        name: of the run.
        config: its settings, numbers and words.
        resume: go on with the run that this folder began, by its name there.
    """

    def __init__(
        self, accelerator: Accelerator, folder: Path, name: str, config: Mapping[str, Any], *, resume: bool
    ) -> None:
        self._accelerator = accelerator
        self._kinds = tuple(str(getattr(kind, "value", kind)) for kind in accelerator.log_with)
        if not self._kinds:
            return
        wandb: dict[str, Any] = {}
        if accelerator.is_main_process:
            wandb = _wandb(folder, name, resume=resume)
        accelerator.init_trackers(PROJECT, _plain(config), {"wandb": wandb} if "wandb" in self._kinds else {})

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Numbers of a step."""
        if self._kinds:
            self._accelerator.log({key: value for key, value in values.items() if key != "step"}, step=step)

    def show(self, title: str, picture: Image.Image, step: int) -> None:
        """A preview."""
        if not self._kinds:
            return
        pixels = np.asarray(picture.convert("RGB"))
        for tracker in self._accelerator.trackers:
            # TensorBoard wants a batch, wandb a list.
            tracker.log_images({title: pixels[None]}, step=step, **_layout(tracker.name))

    def finish(self) -> None:
        """Write what is left."""
        if not self._kinds:
            return
        runs = [t.tracker for t in self._accelerator.trackers if t.name == "wandb"]
        offline = [Path(run.settings.sync_dir) for run in runs if run.settings._offline]
        self._accelerator.end_training()
        for folder in offline:
            notice(f"wandb worked offline; `wandb sync {folder}` sends it")


def _layout(tracker: str) -> dict[str, str]:
    return {"dataformats": "NHWC"} if tracker == "tensorboard" else {}


def _wandb(folder: Path, name: str, *, resume: bool) -> dict[str, Any]:
    """How the run is called there, and whether anything is sent."""
    place = folder / "wandb.json"
    known = json.loads(place.read_text()) if resume and place.exists() else {}
    identity = known.get("id") or secrets.token_hex(4)
    atomic_write_text(place, json.dumps({"id": identity}))
    # Nothing but what is logged here: no output, no code, no list of what is installed, no words in between.
    quiet = {"silent": True, "console": "off", "disable_git": True, "save_code": False}
    quiet |= {"x_save_requirements": False, "x_disable_meta": True, "x_disable_stats": True}
    settings: dict[str, Any] = {"name": name, "id": identity, "dir": str(folder), "settings": quiet}
    settings["mode"] = os.environ.get("WANDB_MODE") or ("online" if _has_account() else "offline")
    if settings["mode"] == "online":
        # Offline it cannot look for the older part: that is put together when both are synced.
        settings["resume"] = "allow"
    return settings


def _has_account() -> bool:
    """Whether somebody has logged in here; nothing is asked over the network."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as every tracker takes them."""
    simple = (int, float, str, bool)
    return {key: value if isinstance(value, simple) else json.dumps(value) for key, value in config.items()}
