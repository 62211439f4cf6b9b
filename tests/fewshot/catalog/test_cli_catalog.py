"""`fewshot catalog` as a person uses it."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Make = Callable[..., Path]
Cli = Callable[..., subprocess.CompletedProcess[str]]


def ok(run: subprocess.CompletedProcess[str]) -> str:
    assert run.returncode == 0, run.stderr
    return run.stdout


def refused(run: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert run.returncode == code, (run.returncode, run.stderr)
    assert "Traceback" not in run.stderr
    assert "hint:" in run.stderr
    for word in words:
        assert word in run.stderr


def test_from_an_adapter_to_a_drawing_and_back(cli: Cli, make: Make, tmp_path: Path) -> None:
    photo = tmp_path / "me.png"
    pixels = np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)
    Image.fromarray(pixels).save(photo)
    first, second = make("ink", 1), make("ink", 2)
    added = cli("catalog", "add", str(first), "--tag", "soft", "--artist", "Ann", "--alias", "approved")
    assert "added ink@1" in added.stderr
    ok(cli("catalog", "add", str(second)))
    (row,) = json.loads(ok(cli("catalog", "ls", "--format", "json")))
    assert (row["name"], row["version"], row["aliases"]) == ("ink", 2, ["approved=1"])
    for style in ("ink@approved", "ink"):
        out = tmp_path / f"{style}.png"
        ok(cli("stylize", str(photo), "--style", f"{style}:0.5", "--crop", "none", "-o", str(out)))
        assert out.is_file()
    bundle = tmp_path / "ink.zip"
    assert ok(cli("catalog", "export", "ink@approved", "-o", str(bundle))).strip() == str(bundle)
    ok(cli("catalog", "consent", "ink", "withdrawn", "--by", "Ann", "--date", "2026-01-31"))
    for command in (
        ("stylize", str(photo), "--style", "ink@approved", "-o", str(tmp_path / "no.png")),
        ("catalog", "export", "ink", "-o", str(tmp_path / "no.zip")),
    ):
        refused(cli(*command), 6, "withdrawn")
    assert not (tmp_path / "no.png").exists()
    refused(cli("catalog", "rm", "ink"), 5, "ink@approved")
    verbs = [line["verb"] for line in json.loads(ok(cli("catalog", "log", "ink", "--format", "json")))]
    assert verbs == ["consent", "export", "add", "add"]
    assert "0 problems" in cli("catalog", "verify").stderr


def test_what_a_person_reads(cli: Cli, make: Make) -> None:
    assert "no style is like that" in cli("catalog", "ls").stderr
    first = make("ink", 1)
    ok(cli("catalog", "add", str(first)))
    twin = cli("catalog", "add", str(first), "--name", "copy")
    assert "copy@1 has the same weights as ink@1" in twin.stderr
    ok(cli("catalog", "consent", "ink", "withdrawn", "--by", "Ann", "--date", "2026-01-31"))
    assert ok(cli("catalog", "ls", "--consent", "withdrawn", "--format", "path")).split() == ["copy", "ink"]
    assert ok(cli("catalog", "ls", "--consent", "granted", "--format", "path")) == ""
    said = ok(cli("catalog", "log", "ink"))
    assert "granted → withdrawn by Ann on 2026-01-31" in " ".join(said.split())
    shown = ok(cli("catalog", "show", "copy"))
    assert "withdrawn since 2026-01-31" in " ".join(shown.split())
    assert "page 2 is past the end: there are 2 in all" in cli("catalog", "ls", "--page", "2").stderr


@pytest.mark.parametrize(
    ("command", "code", "word"),
    [
        (("show", "ink"), 4, "it is empty"),
        (("add", "nowhere"), 4, "nowhere"),
        (("import", "nowhere.zip"), 4, "nowhere.zip"),
        (("ls", "--sort", "beauty"), 2, "beauty"),
        (("search",), 2, "--picture"),
        (("consent", "ink", "sold"), 2, "sold"),
        (("ls", "--db", "mysql://x"), 2, "postgresql://"),
        (("rm", "ink@approved"), 2, "--remove"),
        (("show", "a b"), 2, "' '"),
        (("ls", "--db", "typo.db"), 4, "typo.db"),
        (("ls", "--root", "s3:/bucket"), 2, "two slashes"),
        (("ls", "--root", __file__), 2, "is a file"),
        (("ls", "--db", "/tmp"), 2, "is a folder"),
        (("add", __file__), 4, "is a file"),
        (("import", "/tmp"), 4, "is a folder"),
        (("import", __file__), 6, "fewshot catalog export"),
        (("log", "ink"), 4, "it is empty"),
        (("consent", "ink", "granted", "--evidence", "no.pdf"), 4, "no such file"),
        (("add", "ink", "--consent-by", "Ann"), 2, "--consent granted"),
        (("export", "ink", "-o", "ink.tar"), 2, "ink.zip"),
    ],
)
def test_mistakes_are_named(cli: Cli, command: tuple[str, ...], code: int, word: str) -> None:
    refused(cli("catalog", *command), code, word)


def test_a_damaged_file_is_named_and_refused(
    cli: Cli, make: Make, fewshot_home: Path, tmp_path: Path
) -> None:
    ok(cli("catalog", "add", str(make("ink", 1))))
    blob = max(
        (p for p in (fewshot_home / "adapters").rglob("*") if p.is_file()), key=lambda p: p.stat().st_size
    )
    intact = blob.read_bytes()
    blob.write_bytes(intact[:-1] + bytes([intact[-1] ^ 1]))
    looked = cli("catalog", "verify")
    assert looked.returncode == 6
    assert "adapter_model.safetensors" in looked.stdout.replace("\n", "")
    photo = tmp_path / "me.png"
    Image.new("RGB", (40, 40)).save(photo)
    refused(cli("stylize", str(photo), "--style", "ink", "-o", str(tmp_path / "o.png")), 6, blob.name[:12])


def test_adapt_on_two_processes_puts_what_it_learned_into_the_catalogue_once(
    cli: Cli, fewshot_home: Path, tmp_path: Path, drawings: Callable[..., Path]
) -> None:
    flat, photos = drawings(8, "flat"), str(drawings(10, "ink"))
    quickly = "steps=2 warmup_steps=1 by_parts=false crop=center eval_every=2 batch=2 --processes 2".split()
    where = ["--name", "flat", "--base", "scan_tiny", "--photos", photos, "--catalog"]
    learned = cli("adapt", str(flat), *where, *quickly)
    ok(learned)
    assert learned.stderr.count("added flat@1") == 1
    drawn = next(iter(sorted(flat.iterdir())))
    (first, *_) = json.loads(ok(cli("catalog", "search", "--picture", str(drawn), "--format", "json")))
    assert (first["name"], first["version"]) == ("flat", 1)
    assert first["similarity"] > 0.5
    known = json.loads(ok(cli("catalog", "show", "flat", "--format", "json")))
    assert len(known["references"]) > 1
    assert known["metrics"]["steps"] == 2
    shutil.rmtree(fewshot_home / "runs")
    ok(cli("stylize", str(drawn), "--style", "flat", "--crop", "none", "-o", str(tmp_path / "out.png")))
