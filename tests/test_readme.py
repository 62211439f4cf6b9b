"""The README: every command in it works, every link leads somewhere, and it is short."""

import re
import shlex
import shutil
from pathlib import Path

import av
import pytest
import typer
from PIL import Image
from skimage import data
from typer.testing import CliRunner

from fewshot.cli.main import app
from fewshot.samples import sample_folder

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TRAINING = ["--base", "scan_tiny", "steps=1", "eval_every=1", "warmup_steps=0", "by_parts=false", "batch=2"]
SHORTER = {"adapt": TRAINING, "select": [*TRAINING, "--recipes", "quick", "--folds", "2"]}
"""What is added to a training command, so that it takes seconds; all that the README writes stays."""


def commands() -> list[list[str]]:
    """Every line of every `sh` block, as words, in the order of the page."""
    blocks = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)
    return [
        shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.strip()
    ]


def test_every_command_line_is_of_a_kind_that_is_tested() -> None:
    kinds = [command[0] for command in commands()]
    assert set(kinds) == {"make", "fewshot", "source"}
    assert kinds.count("fewshot") > 10


@pytest.mark.usefixtures("no_downloads")
def test_every_fewshot_command_works_in_the_order_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a new user has: drawings, photos, one photo of their own, drawings by others."""
    monkeypatch.chdir(tmp_path)
    for name, hand, first in (("drawings", "ink", 0), ("unseen", "ink", 6), ("others", "riso", 0)):
        Path(name).mkdir()
        for file in sorted(sample_folder(hand).glob("*.webp"))[first : first + 6]:
            shutil.copy(file, name)
    shutil.copytree(sample_folder("flat"), "photos", ignore=shutil.ignore_patterns("01*", "02*"))
    shutil.copy("photos/000.webp", "me.jpg")
    write_clip(Path("clip.mp4"))
    for command in commands():
        if command[0] != "fewshot":
            continue
        arguments = [*command[1:], *SHORTER.get(command[1], [])]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, f"{shlex.join(command)}\n{result.stderr}"
    pictures = ("me.png", "cleaned", "results/000.webp", "strengths.png", "compare.png", "report.html")
    for made in (*pictures, "drawn.mp4", "sheet.pdf", "mine.onnx", "mine.md"):
        assert Path(made).exists(), made


def write_clip(path: Path) -> None:
    """A video of four frames, with somebody in it."""
    picture = Image.fromarray(data.astronaut())
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height = picture.size
        for _ in range(4):
            file.mux(stream.encode(av.VideoFrame.from_image(picture)))
        file.mux(stream.encode(None))


def test_every_make_line_names_a_target_and_arguments_that_parse() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    variables = set(re.findall(r"^([A-Z]+) \?=", (ROOT / "Makefile").read_text(), re.MULTILINE))
    group = typer.main.get_command(app)
    made = [command[1:] for command in commands() if command[0] == "make"]
    assert {target for target, *_ in made} >= {"demo", "test"}
    for target, *settings in made:
        assert target in targets
        for name, _, value in (setting.partition("=") for setting in settings):
            assert name in variables
            if target == "demo" and name == "ARGS":
                context = group.make_context("fewshot", ["demo", *shlex.split(value)])
                demo = group.get_command(context, "demo")  # type: ignore[attr-defined]
                demo.make_context("demo", shlex.split(value), parent=context)


def test_every_verb_is_in_the_table_and_every_verb_of_the_table_exists() -> None:
    group = typer.main.get_command(app)
    verbs = set(group.commands)  # type: ignore[attr-defined]
    section = README.split("## Verbs", 1)[1].split("```", 1)[0]
    listed = {row.split()[0].strip("`") for row in re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)}
    assert listed == verbs


def test_every_link_leads_to_a_file() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if not link.startswith("https://")]
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_it_is_short_and_its_code_comes_early() -> None:
    lines = README.splitlines()
    assert len(lines) < 200
    first = lines.index("```sh")
    assert first < 35
    assert lines[first + 1] == "make demo"
