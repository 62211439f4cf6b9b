"""`study.json`: every number of a study, for programs and for later questions."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fewshot import __version__
from fewshot.evaluation.record import finite
from fewshot.files import atomic_write_text
from fewshot.selection.choice import Choice
from fewshot.selection.study import Study
from fewshot.selection.tried import Tried


def study_record(study: Study, choice: Choice) -> dict[str, Any]:
    """Settings, every (recipe, fold) at every rung with intervals, and the recommendation; JSON-ready."""
    tried = study.tried()
    record = {
        "study": study.name,
        "kept in": study.store.where,
        "settings": dict(study.settings),
        "limits": asdict(study.limits),
        "minutes spent": sum(one.spent for one in tried) / 60,
        "recommended": next(one.label for one in tried if one.number == choice.number),
        "choice": asdict(choice),
        "trials": [_trial(one) for one in tried],
        "level": 0.95,
        "version": __version__,
    }
    return finite(record)


def write_record(folder: Path, study: Study, choice: Choice) -> Path:
    """Write it to the study's folder; returns the file."""
    path = folder / "study.json"
    atomic_write_text(path, json.dumps(study_record(study, choice), indent=1) + "\n")
    return path


def _trial(one: Tried) -> dict[str, Any]:
    found = one.summary
    return {
        "number": one.number,
        "recipe": one.label,
        "params": dict(one.params),
        "state": one.state,
        "bracket": one.bracket,
        "objective": list(one.values),
        "over all folds": asdict(found) if found else None,
        "folds": [[score.to_json() for score in fold] for fold in one.folds],
        "seconds": one.spent,
        "problem": one.problem,
    }
