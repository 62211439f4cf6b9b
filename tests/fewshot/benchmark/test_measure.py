"""The measured table: real rows of a recipe and of rivals, kept, gone on with, and written down."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import numpy as np
import pytest

from eval.errors import EvalError
from fewshot.benchmark.artists import find_artists
from fewshot.benchmark.candidates import Candidate, parse_candidates
from fewshot.benchmark.row import Spec, _repeated, measure, style_judge
from fewshot.benchmark.run import ROWS, read_rows
from fewshot.benchmark.table import BEGIN, END, SHORT_BEGIN, SHORT_END, markdown, write_into
from fewshot.benchmark.truth import _drawings_of, truth
from fewshot.errors import BadInputError, NotFoundError, UsageError
from fewshot.evaluation.sources import Gathered, gather
from fewshot.samples import sample_folder, sample_hands
from recipes import RecipeError

Cli = Callable[..., CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[3]
SHORT = "quick steps=1 eval_every=1 warmup_steps=0 batch=2"
LEARNED = f"{SHORT} --photos train"
"""What a row is called whose recipe was given photos."""


@pytest.fixture
def artists(tmp_path: Path) -> Path:
    """Three hands with six drawings to learn from and six held out; `flat` has the photos to its own."""
    folder = tmp_path / "artists"
    for hand in sample_hands()[:3]:
        files = sorted(sample_folder(hand).glob("*.webp"))[:12]
        for part, chosen in (("train", files[:6]), ("heldout", files[6:])):
            (folder / hand / part).mkdir(parents=True)
            for file in chosen:
                shutil.copy(file, folder / hand / part)
    return folder


def test_rows_are_measured_kept_and_not_measured_again(artists: Path, cli: Cli, tmp_path: Path) -> None:
    one = sample_hands()[0]
    photos = artists / sample_hands()[1] / "heldout"
    table = tmp_path / "table.md"
    table.write_text(f"before\n{BEGIN}\nstale words\n{END}\nbetween\n{SHORT_BEGIN}\n{SHORT_END}\nafter\n")
    call = ["recipes", "measure", "artists", "--photos", photos, "--base", "scan_tiny", "--artist", one]
    call += ["--out", "out", "--rival", "photo", "--recipe", SHORT, "--table", table, "--format", "json"]
    call += ["--learn-on", artists / sample_hands()[2] / "train"]
    first = cli(*call, FEWSHOT_HOME=str(tmp_path / "home"))
    assert first.returncode == 0, first.stderr
    rows = {row["candidate"]: row for row in json.loads(first.stdout)}
    assert set(rows) == {"photo", SHORT, LEARNED}
    for row in rows.values():
        assert row["n"] == {"results": 6, "photos": 6, "views": 1, "drawings": 6}
        assert row["peak_gb"] > 0.1
        assert 0 <= row["style_top1"][1] <= row["style_top1"][0] <= row["style_top1"][2] <= 1
        # Two other hands here, and the six that ship with the style encoder.
        assert row["chance"] == pytest.approx(1 / 9)
    # The photos are drawings of another hand here: as they are, each is nearest to itself and to that hand.
    assert rows["photo"]["content"][0] == 1
    assert rows["photo"]["style_top1"][0] < 0.5
    for recipe, photos_learned_on in ((SHORT, None), (LEARNED, 6)):
        assert rows[recipe]["steps"] == 1
        assert rows[recipe]["photos_learned_on"] == photos_learned_on
        assert 0 < rows[recipe]["adapter_mb"] < 2
    text = table.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "stale words" not in text
    assert f"| photo | {one} |" in text
    assert f"\n| {one} | 6 / 6 |" in text.split("between")[1]
    assert len(list((tmp_path / "out" / "sheets").iterdir())) == 3

    again = cli(*call, FEWSHOT_HOME=str(tmp_path / "home"))
    assert again.returncode == 0
    assert f"photo on {one}" not in again.stderr
    assert json.loads(again.stdout) == json.loads(first.stdout)

    (photos / sorted(path.name for path in photos.iterdir())[0]).unlink()
    call[call.index("--recipe") : call.index("--recipe") + 2] = ["--artist", one]
    del call[call.index("--format") :]
    other = cli(*call, FEWSHOT_HOME=str(tmp_path / "home"))
    assert other.returncode == 0, other.stderr
    header, _, line = other.stdout.splitlines()
    assert header.split()[:2] == ["candidate", "artist"]
    assert line.split()[:2] == ["photo", one]
    assert max(map(len, other.stdout.splitlines())) <= 80
    assert read_rows(tmp_path / "out")[-1]["n"]["results"] == 5


def test_photos_that_were_learned_on_are_not_redrawn(artists: Path, tmp_path: Path) -> None:
    one = sample_hands()[0]
    photos = artists / sample_hands()[1]
    spec = Spec(
        candidate=Candidate("recipe", "quick", ("steps=1",), learn_on=str(photos / "train")),
        artist=one,
        train=str(artists / one / "train"),
        heldout={one: str(artists / one / "heldout")},
        photos=str(photos / "train"),
        indices=None,
        paired=False,
        base="scan_tiny",
        sheet=str(tmp_path / "sheet.png"),
        style="unused",
    )
    with pytest.raises(UsageError, match="6 of the photos to redraw are among those to learn on"):
        measure(spec)


def test_a_row_cut_off_by_a_kill_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / ROWS).write_text('{"artist": "a"}\n{"artist": "b", "ki')
    assert read_rows(tmp_path) == [{"artist": "a"}]
    assert "no row" in capsys.readouterr().err


def test_the_pages_say_what_was_measured(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (ROOT / "recipes" / "measured.jsonl").read_text().splitlines()]
    assert rows
    for page in (ROOT / "README.md", ROOT / "recipes" / "README.md"):
        copy = tmp_path / "page.md"
        shutil.copy(page, copy)
        write_into(copy, rows)
        assert copy.read_text() == page.read_text(), page.name


def test_artists_are_folders_with_both_kinds_of_drawings(artists: Path) -> None:
    (artists / "empty" / "train").mkdir(parents=True)
    found = find_artists(artists)
    assert [artist.name for artist in found] == sorted(sample_hands()[:3])
    assert found[0].photos is None
    with pytest.raises(NotFoundError, match="one folder per artist"):
        find_artists(artists / "nowhere")
    with pytest.raises(BadInputError, match="0 artists"):
        find_artists(artists / "empty")


def test_candidates_are_read_with_their_overrides_and_refused_with_a_suggestion(tmp_path: Path) -> None:
    others, same_name = tmp_path / "a" / "selfies", tmp_path / "b" / "selfies"
    for folder, count in ((others, 2), (same_name, 3)):
        folder.mkdir(parents=True)
        for file in sorted(sample_folder("ink").glob("*.webp"))[:count]:
            shutil.copy(file, folder)
    plain, fed = parse_candidates(["quick"], [], 3.0, others)
    assert (plain.label, fed.label) == ("quick", "quick --photos selfies")
    _, fed_others = parse_candidates(["quick"], [], 3.0, same_name)
    assert len({plain.identity, fed.identity, fed_others.identity}) == 3
    with pytest.raises(UsageError, match="no recipe"):
        parse_candidates([], ["reinhard"], 3.0, others)
    with pytest.raises(NotFoundError, match="no photos at"):
        parse_candidates(["quick"], [], 3.0, tmp_path / "nowhere")
    recipe, rival = parse_candidates(["quick steps=150"], ["reinhard"], 3.0)
    assert (recipe.label, rival.label) == ("quick steps=150", "reinhard")
    assert recipe.recipe().steps == 150
    assert recipe.identity != Candidate("recipe", "quick").identity
    assert len(parse_candidates(["quick", "quick"], ["photo", "photo"], 3.0)) == 2
    with pytest.raises(UsageError, match="without a name"):
        parse_candidates([" "], [], 3.0)
    with pytest.raises(RecipeError, match="stepz"):
        parse_candidates(["quick stepz=150"], [], 3.0)
    with pytest.raises(UsageError, match="reinhardt") as caught:
        parse_candidates([], ["reinhardt"], 3.0)
    assert "reinhard" in caught.value.hint


def test_an_artist_of_the_encoder_is_judged_by_the_fold_without_it() -> None:
    assert style_judge("lorelei") == "style-unseen:lorelei"
    assert style_judge("ink") == "style"


def test_the_true_drawing_is_nearest_to_itself() -> None:
    drawings = gather(sample_folder("ink"), 64).rows(range(6))
    photos = Gathered("photos", drawings.names, gather(sample_folder("flat"), 64).pixels[:6])
    found = truth(photos, drawings, photos.pixels, drawings.pixels)
    assert found["perceptual"]["style"][0] == pytest.approx(0, abs=1e-6)
    assert found["ssim"]["style"][0] == pytest.approx(1)
    assert found["edges"]["style"][0] == pytest.approx(1, abs=1e-5)
    assert found["perceptual"]["gain"][2] < 0 < found["ssim"]["gain"][1]
    renamed = Gathered("photos", tuple(f"{i + 900}" for i in range(6)), photos.pixels)
    with pytest.raises(BadInputError, match="900 has 0 drawings"):
        truth(renamed, drawings, photos.pixels, drawings.pixels)


def test_true_drawings_are_found_by_name_or_by_the_number_at_its_end() -> None:
    pixels = gather(sample_folder("ink"), 64).pixels[:3]

    def named(*names: str) -> Gathered:
        return Gathered("folder", names, pixels)

    assert _drawings_of(named("b", "a", "c"), named("a", "b", "c")) == [1, 0, 2]
    # All digits together would take 2 of 2017 for another drawing than 2 of 2018.
    numbered = named("ann-2018-1", "ann-2018-2", "ann-2018-12")
    assert _drawings_of(numbered, named("s_012", "s_002", "s_001")) == [2, 1, 0]
    with pytest.raises(BadInputError, match="ann-2018-1 has 2 drawings"):
        _drawings_of(numbered, named("s_001", "t_1", "s_002"))


def test_the_summary_names_the_worst_artist(tmp_path: Path) -> None:
    def row(artist: str, top1: float, high: float | None) -> dict[str, Any]:
        measured = {key: [top1, top1 - 0.1, top1 + 0.1] for key in ("style_top1", "content", "kid")}
        return {
            **measured,
            "artist": artist,
            "candidate": "quick",
            "base": {"name": "b", "sha256": "0" * 64},
            "kid_ratio": [0.2, 0.1, high],
            "one_framing": {"style_top1": [top1 - 0.1, 0.0, 1.0]},
            "whole": {"kid_ratio": [0.3, 0.2, high]},
            "copies": [3],
            "chance": 0.5,
            "n": {"drawings": 5, "results": 9},
            "minutes": 1.0,
            "peak_gb": 1.0,
        }

    text = markdown([row("a", 0.9, 0.3), row("b", 0.5, 0.44)])
    summary = next(line for line in text.splitlines() if line.startswith("| quick | 2 |"))
    found = [float(x) for x in summary.split("|")[3:14]]
    assert found == [0.7, 0.5, 0.7, 0.5, 0.2, 0.44, 0.3, 0.44, 0.6, 0.4, 2]
    assert "∞" in markdown([row("a", 0.9, None)])
    # Where the base's KID may be zero there is no bound, and that is told of the others too.
    unbound = row("b", 0.9, 0.3) | {"kid_ratio": [None, 0, None]}
    assert "| quick | 2 | 0.90 | 0.90 | 0.90 | 0.90 | ∞ | ∞ |" in markdown([row("a", 0.9, 0.3), unbound])
    # Of one photo there is no KID, and so no ratio.
    alone = row("a", 0.9, None) | {"kid_ratio": None}
    alone["whole"] = alone["whole"] | {"kid_ratio": None}
    assert "| quick | 1 | 0.90 | 0.90 | 0.90 | 0.90 |  |  |  |  | 0.80 | 0.80 | 1 |" in markdown([alone])
    with pytest.raises(BadInputError, match="measured: begin"):
        write_into(tmp_path / "none.md", [])


def test_features_that_are_not_numbers_end_the_row_and_not_the_table() -> None:
    # What a candidate that diverged would draw: all of one colour, which has no edges to be told by.
    flat = np.zeros((6, 3, 64, 64), np.uint8)
    drawings = gather(sample_folder("ink"), 64).rows(range(6))
    photos = Gathered("photos", drawings.names, flat)
    try:
        found = truth(photos, drawings, flat, flat)
    except EvalError:
        pytest.fail("a flat picture has a distance")
    assert found["edges"]["gain"] == [0, 0, 0]


def test_held_out_drawings_that_repeat_what_is_learned_from_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    drawings = gather(sample_folder("ink"), 64)
    training, held_out = drawings.rows(range(6)), drawings.rows([7, 2, 8])
    darker = Gathered("heldout", ("a", "b", "c"), (held_out.pixels * 0.97).astype(np.uint8))
    assert _repeated(training, darker) == 1
    assert "1 of 3 repeat drawings to learn from: b" in capsys.readouterr().err
    assert _repeated(training, darker.rows([0, 2])) == 0
