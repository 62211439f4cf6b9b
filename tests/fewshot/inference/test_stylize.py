"""Files in, files out: names, formats, sizes, and what happens when some of them are bad."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from base_models.registry import create_model
from fewshot.errors import BadInputError, ConflictError, UsageError
from fewshot.inference.outputs import plan_outputs
from fewshot.inference.preparing import Crop, Framing
from fewshot.inference.stylize import stylize_paths, write_picture
from fewshot.inference.torch_engine import TorchEngine

MakePhoto = Callable[..., Path]


@pytest.fixture(scope="module")
def engine() -> TorchEngine:
    return TorchEngine(create_model("scan_tiny"))


def targets(inputs: list[Path], out: Path, *, overwrite: bool = False) -> list[str]:
    return [job.target.name for job in plan_outputs(inputs, out, overwrite=overwrite).jobs]


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".png", "PNG"), (".webp", "WEBP"), (".jpg", "JPEG"), (".JPEG", "JPEG")]
)
def test_the_ending_decides_the_format(
    engine: TorchEngine, make_photo: MakePhoto, tmp_path: Path, suffix: str, kind: str
) -> None:
    out = tmp_path / "new" / f"drawing{suffix}"
    summary = stylize_paths([make_photo("me.png")], engine, out)
    assert [drawn.target for drawn in summary.drawn] == [out]
    with Image.open(out) as image:
        assert (image.format, image.size, image.mode) == (kind, (32, 32), "RGB")


def test_a_drawing_that_cannot_be_written_is_named_and_the_others_are_drawn(
    engine: TorchEngine, make_photo: MakePhoto, tmp_path: Path
) -> None:
    """A WebP has 16,383 px at most on a side."""
    photos = [make_photo("a.png"), make_photo("b.webp", 160, 40), make_photo("c.png")]
    summary = stylize_paths(photos, engine, tmp_path / "out", framing=Framing("none"), size=4100)
    assert [drawn.source.name for drawn in summary.drawn] == ["a.png", "c.png"]
    assert ["16,383" in str(failure.error) for failure in summary.failures] == [True]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


@pytest.mark.parametrize(
    ("crop", "size", "expected"),
    [
        ("face", None, (32, 32)),
        ("center", 100, (100, 100)),
        ("none", None, (48, 32)),
        ("none", 100, (150, 100)),
        ("center", 16, (16, 16)),
    ],
)
def test_crop_and_size_decide_the_drawings_size(
    engine: TorchEngine,
    make_photo: MakePhoto,
    tmp_path: Path,
    crop: Crop,
    size: int | None,
    expected: tuple[int, int],
) -> None:
    photo = make_photo("me.png", 120, 80)
    summary = stylize_paths([photo], engine, tmp_path / "out.png", framing=Framing(crop), size=size)
    assert summary.drawn[0].size == expected
    with Image.open(tmp_path / "out.png") as image:
        assert image.size == expected


def test_names_are_kept_in_a_folder(make_photo: MakePhoto, tmp_path: Path) -> None:
    inputs = [make_photo(name) for name in ("me.jpg", "my photo.webp", "写真.png", "scan.bmp")]
    assert targets(inputs, tmp_path / "out") == ["me.jpg", "my photo.webp", "写真.png", "scan.png"]


def test_equal_names_are_numbered_whatever_their_case(make_photo: MakePhoto, tmp_path: Path) -> None:
    inputs = [make_photo("a/me.png"), make_photo("b/me.png"), make_photo("c/ME.png"), make_photo("me.bmp")]
    assert targets(inputs, tmp_path / "out") == ["me.png", "me-2.png", "ME-3.png", "me.bmp.png"]


def test_names_do_not_depend_on_photos_that_come_later(make_photo: MakePhoto, tmp_path: Path) -> None:
    make_photo("photos/a.png"), make_photo("out/a.png")
    make_photo("photos/a.bmp")
    plan = plan_outputs([tmp_path / "photos"], tmp_path / "out", resume=True)
    assert [(job.source.name, job.target.name) for job in plan.jobs] == [("a.bmp", "a.bmp.png")]
    assert [job.source.name for job in plan.done] == ["a.png"]


def test_drawings_do_not_go_among_the_photos_or_in_the_place_of_a_folder(
    make_photo: MakePhoto, tmp_path: Path
) -> None:
    photo = make_photo("photos/me.png")
    with pytest.raises(ConflictError, match="is the folder of the photos"):
        plan_outputs([photo.parent], tmp_path / "photos", resume=True)
    (tmp_path / "out" / "me.png").mkdir(parents=True)
    with pytest.raises(ConflictError, match=r"me\.png is a folder"):
        plan_outputs([photo], tmp_path / "out", overwrite=True)


def test_a_name_that_is_too_long_does_not_end_the_others(make_photo: MakePhoto, tmp_path: Path) -> None:
    plan = plan_outputs([make_photo("me.png"), tmp_path / f"{'a' * 300}.png"], tmp_path / "out")
    assert len(plan.jobs) == 1
    assert "too long" in str(plan.failures[0].error)
    longest = tmp_path / f"{'漢' * 82}.png"
    write_picture(Image.new("RGB", (8, 8)), longest)
    assert longest.exists()


def test_what_no_webp_can_hold_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="16,383 at most"):
        write_picture(Image.new("RGB", (16384, 4)), tmp_path / "wide.webp")


def test_existing_drawings_are_kept_unless_overwrite(make_photo: MakePhoto, tmp_path: Path) -> None:
    photo = make_photo("me.png")
    make_photo("out/me.png")
    with pytest.raises(ConflictError, match=r"1 of 1 drawings exist already .* me\.png") as caught:
        plan_outputs([photo], tmp_path / "out")
    assert "--resume" in caught.value.hint
    assert targets([photo], tmp_path / "out", overwrite=True) == ["me.png"]
    with pytest.raises(ConflictError, match="exists already") as caught:
        plan_outputs([photo], tmp_path / "out" / "me.png")
    assert "--overwrite" in caught.value.hint


def test_what_is_no_picture_to_write_is_named(make_photo: MakePhoto, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a video"):
        plan_outputs([make_photo("me.png")], tmp_path / "me.mp4")
    plan = plan_outputs([Path("0")], tmp_path / "out")
    assert "--live" in plan.failures[0].error.hint


def test_an_input_is_never_overwritten(make_photo: MakePhoto, tmp_path: Path) -> None:
    photo = make_photo("me.png")
    assert targets([photo], tmp_path, overwrite=True) == ["me-2.png"]
    with pytest.raises(ConflictError, match="the photo itself"):
        plan_outputs([photo], photo, overwrite=True)


def test_one_photo_named_twice_is_drawn_once(make_photo: MakePhoto, tmp_path: Path) -> None:
    photo = make_photo("album/me.png")
    assert targets([photo, photo, photo.parent], tmp_path / "out") == ["me.png"]


@pytest.mark.parametrize("out", ["out.gif", "out.tiff"])
def test_an_ending_that_cannot_be_written_is_refused(make_photo: MakePhoto, tmp_path: Path, out: str) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        plan_outputs([make_photo("me.png")], tmp_path / out)


def test_several_photos_do_not_fit_into_one_file(make_photo: MakePhoto, tmp_path: Path) -> None:
    inputs = [make_photo("a.png"), make_photo("b.png")]
    with pytest.raises(UsageError, match="2 pictures do not fit into one file"):
        plan_outputs(inputs, tmp_path / "out.png")


@pytest.mark.parametrize("out", ["notes.txt", "notes.txt/deeper", "notes.txt/me.png"])
def test_a_file_where_a_folder_is_needed_is_named(make_photo: MakePhoto, tmp_path: Path, out: str) -> None:
    (tmp_path / "notes.txt").write_text("not a folder")
    with pytest.raises(UsageError, match=r"notes\.txt is a file"):
        plan_outputs([make_photo("me.png")], tmp_path / out)


def test_bad_inputs_are_listed_and_the_rest_is_drawn(
    engine: TorchEngine, make_photo: MakePhoto, tmp_path: Path
) -> None:
    album = make_photo("album/1.png").parent
    make_photo("album/10.png")
    (album / "2.png").write_text("this is no picture")
    (album / "3.jpg").write_bytes(make_photo("x.jpg", 200, 200).read_bytes()[:1000])
    (tmp_path / "empty").mkdir()
    summary = stylize_paths([album, tmp_path / "empty", tmp_path / "gone.png"], engine, tmp_path / "out")
    assert [drawn.source.name for drawn in summary.drawn] == ["1.png", "10.png"]
    assert {failure.source.name for failure in summary.failures} == {"2.png", "3.jpg", "empty", "gone.png"}
    assert all(
        failure.error.hint and failure.source.name in str(failure.error) for failure in summary.failures
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.png", "10.png"]


def test_a_drawing_does_not_depend_on_its_neighbours(
    engine: TorchEngine, make_photo: MakePhoto, tmp_path: Path
) -> None:
    photos = [make_photo(f"{n}.png", 64, 48 + 8 * (n % 3), seed=n) for n in range(7)]
    stylize_paths(photos, engine, tmp_path / "all", framing=Framing("none"))
    for photo in photos[::3]:
        stylize_paths([photo], engine, tmp_path / "one" / photo.name, framing=Framing("none"))
        alone = Image.open(tmp_path / "one" / photo.name)
        together = Image.open(tmp_path / "all" / photo.name)
        assert alone.size == together.size
        pairs = zip(alone.tobytes(), together.tobytes(), strict=True)
        assert max(abs(a - b) for a, b in pairs) <= 1


def test_a_very_long_picture_is_not_drawn_whole(
    engine: TorchEngine, make_photo: MakePhoto, tmp_path: Path
) -> None:
    summary = stylize_paths(
        [make_photo("long.png", 400, 40)], engine, tmp_path / "out.png", framing=Framing("none")
    )
    assert "too long" in str(summary.failures[0].error)
    assert not (tmp_path / "out.png").exists()


def test_a_read_only_folder_is_one_clear_error() -> None:
    # The kernel refuses new files in /sys to root too.
    if not Path("/sys/kernel").is_dir():
        pytest.skip("no /sys here")
    with pytest.raises(BadInputError, match=r"cannot write /sys/kernel/me\.png") as caught:
        write_picture(Image.new("RGB", (8, 8)), Path("/sys/kernel/me.png"))
    assert "-o" in caught.value.hint
