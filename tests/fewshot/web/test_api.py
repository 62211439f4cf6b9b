"""The API: what it draws, what it tells, and how it refuses."""

import io
import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2
import pytest
from PIL import Image
from starlette.testclient import TestClient

from base_models.arrays import load_arrays
from fewshot.adapters.files import read_files
from fewshot.catalog.adding import add
from fewshot.catalog.changing import alias, set_consent
from fewshot.catalog.store import Catalog
from fewshot.consent import Consent
from fewshot.errors import FewshotError, UnavailableError, UnreachableError
from fewshot.home import run_folder
from fewshot.inference.detection import CascadeDetector
from fewshot.inference.levelling import stylize_level
from fewshot.inference.onnx_engine import OnnxEngine
from fewshot.inference.whole import draw_whole
from fewshot.styles import load_style
from fewshot.web.photos import SHOWN
from fewshot.web.problems import from_error

Open = Callable[..., TestClient]
MakeRun = Callable[..., None]


def picture(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def draw(client: TestClient, photo: bytes, **fields: object) -> Image.Image:
    answer = client.post("/api/v1/stylize", files={"photo": photo}, data=fields)
    assert answer.status_code == 200, answer.text
    return picture(answer.content)


def test_a_face_is_cut_out_and_drawn(open_booth: Open, portrait: bytes) -> None:
    answer = open_booth().post("/api/v1/stylize", files={"photo": portrait})
    left, top, right, bottom = map(float, answer.headers["x-box"].split(","))
    assert answer.headers["x-faces"] == "1"
    assert answer.headers["cache-control"] == "no-store"
    assert -0.2 < left < right < 1.2
    assert right - left == pytest.approx(bottom - top, abs=0.01)
    assert picture(answer.content).size == (32, 32)


def test_a_tilted_head_is_drawn_level(open_booth: Open, astronaut: bytes) -> None:
    whole = picture(astronaut)
    tilted = whole.rotate(25, Image.Resampling.BICUBIC, center=(224, 106)).crop((150, 32, 298, 180))
    data = io.BytesIO()
    tilted.save(data, "PNG")
    drawn = np.asarray(draw(open_booth(), data.getvalue(), light="keep"))
    (face, *_) = CascadeDetector().faces(tilted)
    assert face.roll == pytest.approx(-25, abs=8)
    square = np.asarray(tilted.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    engine = OnnxEngine(load_arrays("scan_tiny"))
    expected = stylize_level(engine, square[None], [face.roll])[0].transpose(1, 2, 0)
    assert np.array_equal(drawn, expected)
    assert not np.array_equal(drawn, engine.stylize(square[None])[0].transpose(1, 2, 0))


def test_a_whole_picture_is_what_the_command_draws(open_booth: Open, astronaut: bytes) -> None:
    drawn = draw(open_booth(), astronaut, crop="whole")
    image = picture(astronaut)
    engine = OnnxEngine(load_arrays("scan_tiny"))
    expected = draw_whole(image, engine, CascadeDetector().faces(image))
    assert np.array_equal(np.asarray(drawn), expected)


def test_a_blend_is_what_the_engine_draws(open_booth: Open, make_run: MakeRun, portrait: bytes) -> None:
    make_run("ink", 1)
    make_run("wash", 2)
    client = open_booth()
    alone = draw(client, portrait, style="ink", crop="whole")
    blended = draw(client, portrait, style=["ink:0.6", "wash:0.4"], crop="whole")
    swapped = draw(client, portrait, style=["wash:0.4", "ink:0.6"], crop="whole")
    assert np.array_equal(np.asarray(blended), np.asarray(swapped))
    assert not np.array_equal(np.asarray(blended), np.asarray(alone))
    nothing = draw(client, portrait, style="ink:0")
    assert np.array_equal(np.asarray(nothing), np.asarray(draw(client, portrait)))
    engine = OnnxEngine(load_arrays("scan_tiny"), [(load_style("ink"), 0.6), (load_style("wash"), 0.4)])
    image = picture(portrait)
    assert np.array_equal(np.asarray(blended), draw_whole(image, engine, CascadeDetector().faces(image)))


@pytest.mark.parametrize(("kind", "mode"), [("png", "PNG"), ("webp", "WEBP"), ("jpeg", "JPEG")])
def test_formats_and_sizes(open_booth: Open, portrait: bytes, kind: str, mode: str) -> None:
    answer = open_booth().post(
        "/api/v1/stylize", files={"photo": portrait}, data={"format": kind, "size": "300", "crop": "face"}
    )
    image = picture(answer.content)
    assert (image.format, image.size) == (mode, (300, 300))
    assert answer.headers["content-type"] == f"image/{kind}"
    assert not image.getexif()


def test_whoever_asks_together_gets_their_own(open_booth: Open, portrait: bytes, astronaut: bytes) -> None:
    """Requests are drawn in batches; every one is answered with its own drawing."""
    client = open_booth(most_waiting=20)
    photos = [portrait, astronaut] * 6
    alone = {photo: draw(client, photo, crop="face").tobytes() for photo in (portrait, astronaut)}
    with ThreadPoolExecutor(12) as threads:
        drawn = list(threads.map(lambda photo: draw(client, photo, crop="face").tobytes(), photos))
    assert drawn == [alone[photo] for photo in photos]


def test_styles_are_listed_and_found_by_words(
    open_booth: Open, make_run: MakeRun, catalogue: Callable[..., Catalog]
) -> None:
    catalogue("ink", "wash", "pencil")
    make_run("run", 5)
    make_run("ink", 6)
    client = open_booth()
    listed = client.get("/api/v1/styles").json()
    assert [style["ref"] for style in listed["styles"]] == ["scan_tiny", "run", "ink", "pencil", "wash"]
    assert [style["kind"] for style in listed["styles"]] == [
        "base",
        "run",
        "catalogue",
        "catalogue",
        "catalogue",
    ]
    assert listed["total"] == 5
    assert [s["ref"] for s in client.get("/api/v1/styles?q=pen").json()["styles"]] == ["pencil"]
    pages = [client.get(f"/api/v1/styles?limit=2&offset={n}").json()["styles"] for n in (0, 2, 4)]
    assert [s["ref"] for page in pages for s in page] == ["scan_tiny", "run", "ink", "pencil", "wash"]


def test_a_list_of_many_runs_reads_each_once(
    open_booth: Open, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than stay in memory; one that was learned anew is read again."""
    for seed in range(4):
        make_run(f"run{seed}", seed)
    reads: list[str] = []

    def counted(folder: Path) -> Any:
        reads.append(folder.parent.name)
        return read_files(folder)

    monkeypatch.setattr("fewshot.web.shelf.read_files", counted)
    monkeypatch.setattr("fewshot.web.shelf._KEPT", 1)
    client = open_booth()
    names = ["scan_tiny", "run0", "run1", "run2", "run3"]
    for _ in range(3):
        assert [style["ref"] for style in client.get("/api/v1/styles").json()["styles"]] == names
    assert sorted(reads) == names[1:]
    shutil.rmtree(run_folder("run2"))
    make_run("run2", 9)
    assert len(client.get("/api/v1/styles").json()["styles"]) == 5
    assert reads[4:] == ["run2"]


def test_a_withdrawn_style_is_gone_at_once(
    open_booth: Open, catalogue: Callable[..., Catalog], portrait: bytes
) -> None:
    catalog = catalogue("ink", "wash")
    client = open_booth()
    draw(client, portrait, style="ink")
    assert client.get("/api/v1/styles/ink/preview").status_code == 200
    set_consent(catalog, "ink", Consent("withdrawn"))
    refused = client.post("/api/v1/stylize", files={"photo": portrait}, data={"style": "ink"})
    assert refused.status_code == 403
    assert "withdrawn" in refused.json()["detail"]
    assert client.get("/api/v1/styles/ink/preview").status_code == 403
    assert client.get("/api/v1/styles/ink").status_code == 403
    assert client.get("/styles/ink").status_code == 403
    assert "ink" not in [style["ref"] for style in client.get("/api/v1/styles").json()["styles"]]


def test_a_run_with_withdrawn_weights_is_refused_too(
    open_booth: Open, catalogue: Callable[..., Catalog], make_run: MakeRun, portrait: bytes
) -> None:
    catalog = catalogue("wash")
    make_run("copy")
    add(catalog, run_folder("copy"), name="ink")
    client = open_booth()
    draw(client, portrait, style="copy")
    set_consent(catalog, "ink", Consent("withdrawn"))
    refused = client.post("/api/v1/stylize", files={"photo": portrait}, data={"style": "copy"})
    assert refused.status_code == 403
    assert "copy" not in [style["ref"] for style in client.get("/api/v1/styles").json()["styles"]]


def test_a_run_that_is_withdrawn_in_its_own_record_is_refused_at_once(
    open_booth: Open, make_run: MakeRun, portrait: bytes
) -> None:
    make_run("copy")
    client = open_booth()
    draw(client, portrait, style="copy")
    path = run_folder("copy") / "adapter" / "adapter.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"consent": {"status": "withdrawn"}}))
    refused = client.post("/api/v1/stylize", files={"photo": portrait}, data={"style": "copy"})
    assert refused.status_code == 403


def test_a_run_without_weights_is_not_on_offer_and_the_others_are(
    open_booth: Open, make_run: MakeRun
) -> None:
    make_run("half")
    make_run("whole")
    (run_folder("half") / "adapter" / "adapter_model.safetensors").unlink()
    client = open_booth()
    listed = [style["ref"] for style in client.get("/api/v1/styles").json()["styles"]]
    assert "whole" in listed
    assert "half" not in listed
    assert client.get("/api/v1/styles/half").status_code == 404
    assert client.get("/").status_code == 200


def test_the_base_is_drawn_with_where_it_is_on_offer(open_booth: Open, portrait: bytes) -> None:
    client = open_booth(styles=("scan_tiny",))
    assert client.post("/api/v1/stylize", files={"photo": portrait}).status_code == 200


@pytest.mark.parametrize(
    "error",
    [UnavailableError("cannot write styles/ink: the disk is full", "free"), UnreachableError("db://x")],
)
def test_what_ails_the_machine_is_told_to_whoever_runs_it(
    error: FewshotError, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = from_error(error)
    assert problem.status == 503
    assert str(error) not in problem.detail + problem.hint
    assert str(error) in capsys.readouterr().err


def test_only_what_is_on_offer(open_booth: Open, catalogue: Callable[..., Catalog], portrait: bytes) -> None:
    catalog = catalogue("ink", "wash")
    alias(catalog, "ink@1", "approved")
    client = open_booth(styles=("ink@approved",))
    assert [s["ref"] for s in client.get("/api/v1/styles").json()["styles"]] == ["ink@approved"]
    draw(client, portrait, style="ink@approved")
    refused = client.post("/api/v1/stylize", files={"photo": portrait}, data={"style": "wash"})
    assert refused.status_code == 404


def test_only_what_is_on_offer_is_found_and_on_the_map(
    open_booth: Open, catalogue: Callable[..., Catalog], portrait: bytes
) -> None:
    alias(catalogue("ink", "wash", "pencil"), "ink@1", "approved")
    client = open_booth(styles=("ink@approved", "wash"))
    found = client.post("/api/v1/search", files={"picture": portrait}).json()
    assert {style["ref"] for style in found["styles"]} == {"ink@approved", "wash"}
    page = client.get("/map").text
    assert 'href="/styles/ink@approved"' in page
    assert "pencil" not in page


def test_consent_that_was_renewed_in_the_catalogue_counts(
    open_booth: Open, catalogue: Callable[..., Catalog], make_run: MakeRun, portrait: bytes
) -> None:
    catalog = catalogue("wash")
    make_run("old", consent={"status": "granted", "expires": "2020-01-31"})
    add(catalog, run_folder("old"), name="ink")
    set_consent(catalog, "ink", Consent("granted"))
    draw(open_booth(), portrait, style="ink")


def test_damage_is_not_told_to_visitors(
    open_booth: Open, make_run: MakeRun, portrait: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run("ink")
    weights = run_folder("ink") / "adapter" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    answer = open_booth().post("/api/v1/stylize", files={"photo": portrait}, data={"style": "ink"})
    assert answer.status_code == 500
    assert "ink" not in answer.text
    assert str(weights.parent) in capsys.readouterr().err
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_folder_that_cannot_be_written_to_loses_no_drawing(
    open_booth: Open, portrait: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kept").write_text("a file")
    draw(open_booth(keep=tmp_path / "kept"), portrait, keep="1")
    assert "could not be kept" in capsys.readouterr().err


def test_other_formats_than_cameras_are_refused(open_booth: Open, portrait: bytes) -> None:
    out = io.BytesIO()
    picture(portrait).save(out, "TIFF")
    answer = open_booth().post("/api/v1/stylize", files={"photo": out.getvalue()})
    assert answer.status_code == 422


def test_a_card_tells_no_path(open_booth: Open, catalogue: Callable[..., Catalog], tmp_path: Path) -> None:
    catalogue("ink")
    client = open_booth()
    card = client.get("/api/v1/styles/ink").json()
    assert card["licence"] == "CC0-1.0"
    assert card["version"] == 1
    assert card["metrics"]["kid"]["n"] == 48
    assert str(tmp_path.parent) not in client.get("/api/v1/styles/ink").text


def test_drawings_find_styles(open_booth: Open, catalogue: Callable[..., Catalog], portrait: bytes) -> None:
    catalog = catalogue("ink", "wash", "pencil")
    set_consent(catalog, "wash", Consent("withdrawn"))
    client = open_booth()
    found = client.post("/api/v1/search", files={"picture": portrait}).json()
    assert {style["ref"] for style in found["styles"]} == {"ink", "pencil"}
    assert open_booth().get("/map").text.count("<circle") == 2


def test_without_a_catalogue_there_is_no_search(open_booth: Open, portrait: bytes) -> None:
    client = open_booth()
    assert client.post("/api/v1/search", files={"picture": portrait}).status_code == 404
    assert client.get("/map").status_code == 200


def test_a_drawing_is_laid_out_for_print(open_booth: Open, portrait: bytes) -> None:
    answer = open_booth().post("/api/v1/print", files={"drawing": portrait}, data={"paper": "10x15"})
    assert answer.headers["content-type"] == "application/pdf"
    page = pypdfium2.PdfDocument(answer.content)
    assert len(page) == 1
    assert [round(25.4 * side / 72) for side in page[0].get_size()] == [102, 152]


def test_misspelt_fields_are_told_on_every_route(open_booth: Open, portrait: bytes) -> None:
    client = open_booth()
    for path, name in (("stylize", "photo"), ("print", "drawing"), ("search", "picture")):
        answer = client.post(f"/api/v1/{path}", files={name: portrait}, data={"papr": "a4"})
        assert (answer.status_code, "papr" in answer.json()["detail"]) == (422, True)


@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        ({"style": "nothing"}, 404, "nothing"),
        ({"style": "../../etc"}, 404, "etc"),
        ({"style": "ink:9"}, 422, "outside"),
        ({"style": ["a", "b", "c"]}, 422, "at most 2"),
        ({"style": ["scan_tiny:1", "scan_tiny"]}, 422, "twice"),
        ({"style": "/etc/passwd:1"}, 404, "passwd"),
        ({"crop": "middle"}, 422, "crop"),
        ({"size": "1e9"}, 422, "size"),
        ({"format": "tiff"}, 422, "format"),
    ],
)
def test_refusals_are_problem_documents(
    open_booth: Open, portrait: bytes, fields: dict[str, object], status: int, word: str
) -> None:
    answer = open_booth().post("/api/v1/stylize", files={"photo": portrait}, data=fields)
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert word in problem["detail"]
    assert problem["hint"]


def test_nothing_is_kept_unless_both_agree(open_booth: Open, portrait: bytes, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    client = open_booth(keep=kept)
    draw(client, portrait)
    assert not kept.exists()
    draw(client, portrait, keep="1")
    assert sorted(path.name.partition("-")[2].rpartition("-")[2] for path in kept.iterdir()) == [
        "drawing.png",
        "photo.jpg",
    ]
    draw(open_booth(), portrait, keep="1")
    assert len(list(kept.iterdir())) == 2


def test_health_and_metrics(open_booth: Open, make_run: MakeRun, portrait: bytes) -> None:
    make_run("ink")
    client = open_booth()
    draw(client, portrait, style="ink")
    assert client.get("/api/v1/health").json()["status"] == "ok"
    metrics = client.get("/api/v1/metrics").text
    assert 'fewshot_drawings_total{style="ink"} 1.0' in metrics
    assert 'fewshot_requests_total{route="/api/v1/stylize",status="200"} 1.0' in metrics
    assert "testclient" not in metrics


def test_a_booth_of_unknown_styles_does_not_open(open_booth: Open) -> None:
    from fewshot.errors import NotFoundError

    with pytest.raises(NotFoundError, match="nothing"):
        open_booth(styles=("nothing",))
