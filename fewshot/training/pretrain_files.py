"""What a run of base training keeps in its folder: resumable state, image pools, log and preview grids."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from PIL import Image

from fewshot.errors import ConflictError, IntegrityError
from fewshot.files import clear_write_errors
from fewshot.output import warn
from fewshot.training.pretrain_config import PretrainConfig
from fewshot.training.runs import state_file
from fewshot.training.stage import StageTrainer
from fewshot.training.state import load_state, restoring, save_state
from fewshot.training.tracking import Tracking

_FREE = {"minutes", "share", "save_every", "preview_every"}
"""Settings that may differ when a run is resumed."""


@dataclass
class Position:
    """Where a run stands."""

    stage: int = 0
    """Stage in training, from 0."""
    step: int = 0
    """Steps done in this stage."""
    seconds: float = 0.0
    """Time of training in this stage, over all calls."""
    pairs: int = 0
    """Photo/drawing pairs seen over all stages and processes."""
    total_seconds: float = 0.0
    """Time of training over all stages."""


class RunFiles:
    """The folder of one run; one object in each process.

    Args:
        folder: run folder: `state/`, `samples/`, `log.jsonl`.
        config: the run's settings.
        accelerator: names the process; the networks are saved by the main one, image pools by each.
    """

    def __init__(self, folder: Path, config: PretrainConfig, accelerator: Accelerator) -> None:
        self.folder, self.config, self.accelerator = folder, config, accelerator
        self.state_path = state_file(folder)
        self.pool_path = folder / "state" / f"pool-{accelerator.process_index}.pt"

    def load(self, *, resume: bool) -> dict[str, Any] | None:
        """The saved state, None for a new run.

        Raises:
            ConflictError: there is a run and `resume` is off, or its settings differ.
            IntegrityError: the saved state is damaged.
        """
        state = load_state(self.state_path)
        if state is None:
            self._track(resume=False)
            return None
        if not resume:
            raise ConflictError(
                f"{self.folder} holds a run already",
                "add --resume to go on with it, or choose another --name",
            )
        saved, now = state["config"], plain_config(self.config)
        changed = [key for key in now if key not in _FREE and saved.get(key) != now[key]]
        if changed:
            listed = ", ".join(f"{key} {saved.get(key)} -> {now[key]}" for key in changed)
            raise ConflictError(
                f"the run in {self.folder} has other settings: {listed}",
                "repeat its settings, or choose another --name",
            )
        self._track(resume=True)
        return state

    def _track(self, *, resume: bool) -> None:
        config = plain_config(self.config)
        self.tracking = Tracking(self.accelerator, self.folder, self.folder.name, config, resume=resume)

    def save(self, trainer: StageTrainer, position: Position, finished: dict[str, Any]) -> None:
        """Write the resumable state; every process has to call it.

        Raises:
            BadInputError: the disk is full or the folder cannot be written to; the older state stays whole.
        """
        pools: dict[str, Any] = {side: pool.state_dict() for side, pool in trainer.pools.items()}
        at, places = [position.stage, position.step], trainer.batch.places.tolist()
        save_state(self.pool_path, pools | {"at": at, "places": places})
        # The state comes last: where it is, the pools of all are.
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            state = {
                "config": plain_config(self.config),
                "position": asdict(position),
                "finished": finished,
                "trainer": trainer.state_dict(),
            }
            save_state(self.state_path, state)
        self.accelerator.wait_for_everyone()

    def restore(self, trainer: StageTrainer, state: dict[str, Any]) -> Position:
        """Put a saved state into a trainer of the same stage; returns where the run stood."""
        with restoring(self.folder, "finish it with that version, or begin another, with another --name"):
            trainer.load_state_dict(state["trainer"])
        position = Position(**state["position"])
        self._restore_pools(trainer, [position.stage, position.step])
        return position

    def _restore_pools(self, trainer: StageTrainer, at: list[int]) -> None:
        """This process's own, or its places of what others saved: a run may go on in more or fewer processes.

        Where a part is on another machine, pools begin anew.
        """
        places, device = trainer.batch.places, self.accelerator.device

        def saved(path: Path) -> dict[str, Any] | None:
            # A kill between the two files leaves pools of a later step; those before go with the state.
            try:
                return load_state(path, lambda state: state["at"] == at)
            except IntegrityError as error:
                warn(str(error))
                return None

        own = saved(self.pool_path)
        if own is not None and own["places"] == places.tolist():
            found, here = [own], torch.arange(len(places))
        else:
            paths = (self.pool_path.with_name(f"pool-{rank}.pt") for rank in itertools.count())
            states = itertools.takewhile(lambda state: state is not None, map(saved, paths))
            found, here = [state for state in states if state], places
            if sum(len(state["places"]) for state in found) != self.config.batch:
                warn(f"no image pools of step {at[1]} in {self.state_path.parent}: they are filled anew")
                return
        for side, pool in trainer.pools.items():
            pool.load_state_dict([state[side] for state in found], here, device)

    def log(self, position: Position, losses: dict[str, float], preview: Path) -> None:
        """Add one line to `log.jsonl` and tell the trackers, which count pairs: a stage begins at step 0."""
        self.tracking.log(losses | {"stage": position.stage + 1.0}, position.pairs)
        self.tracking.show("previews", Image.open(preview), position.pairs)
        path = self.folder / "log.jsonl"
        with clear_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(position) | {"losses": losses}) + "\n")


def plain_config(config: PretrainConfig) -> dict[str, Any]:
    """The settings as JSON and saved states have them: lists for tuples."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in asdict(config).items()}
