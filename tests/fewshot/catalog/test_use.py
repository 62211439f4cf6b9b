"""Rights and integrity where styles are used: `--style`, checkout, byte flips, a moved root, pictures."""

import dataclasses
import datetime
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from base_models.registry import create_model
from fewshot.catalog.adding import add
from fewshot.catalog.blobs import OWNER
from fewshot.catalog.changing import alias, rm, set_consent
from fewshot.catalog.checkout import checkout
from fewshot.catalog.filters import Filter
from fewshot.catalog.listing import log, ls
from fewshot.catalog.pictures import PictureSearch, like
from fewshot.catalog.store import Catalog
from fewshot.catalog.upkeep import gc, verify
from fewshot.consent import Consent
from fewshot.errors import ConflictError, IntegrityError, NotFoundError, UnreachableError, UsageError
from fewshot.evaluation.operands import find_operand
from fewshot.inference.torch_engine import TorchEngine
from fewshot.styles import load_style, resolve_style

Make = Callable[..., Path]
YESTERDAY = (datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)).isoformat()
TOMORROW = (datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1)).isoformat()


def test_a_name_means_the_catalogue_before_a_run(make: Make, fewshot_home: Path) -> None:
    run = fewshot_home / "runs" / "ink" / "adapter"
    run.parent.mkdir(parents=True)
    shutil.copytree(make("ink", 1), run)
    assert resolve_style("ink") == (run, None)
    catalog = Catalog()
    add(catalog, make("ink", 2))
    add(catalog, make("ink", 3))
    alias(catalog, "ink@1", "approved")
    first, latest = load_style("ink@approved"), load_style("ink")
    assert first.sha256 != latest.sha256
    assert load_style("ink@2").sha256 == latest.sha256
    assert load_style(str(run)).folder == run
    found = find_operand("ink@approved")
    assert (found.kind, found.label) == ("style", "ink@approved")
    with pytest.raises(NotFoundError, match="final"):
        load_style("ink@final")
    with pytest.raises(NotFoundError):
        load_style("other@1")


@pytest.mark.parametrize(
    "consent", [Consent("withdrawn"), Consent("granted", expires=YESTERDAY)], ids=["withdrawn", "expired"]
)
def test_without_consent_nothing_can_be_drawn_by_any_name(
    make: Make, fewshot_home: Path, consent: Consent
) -> None:
    folder = make("ink", 1)
    run = fewshot_home / "runs" / "mine" / "adapter"
    run.parent.mkdir(parents=True)
    shutil.copytree(folder, run)
    catalog = Catalog()
    add(catalog, folder)
    add(catalog, folder, name="copy")
    assert load_style("copy").name == "copy"
    set_consent(catalog, "ink", consent)
    for name in ("ink", "ink@1", "copy", "mine", str(folder)):
        with pytest.raises(IntegrityError, match="may not be used") as caught:
            load_style(name)
        assert caught.value.exit_code == 6
    assert log(catalog, "ink")[0]["detail"]["before"]["status"] == "granted"
    wanted = "expired" if consent.expires else "withdrawn"
    assert [row.name for row in ls(catalog, Filter(consent=wanted)).rows] == ["copy", "ink"]


def test_a_named_catalogue_that_is_away_is_not_passed_over(
    make: Make, fewshot_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its disk is not mounted: what was withdrawn in it cannot be told."""
    run = fewshot_home / "runs" / "mine" / "adapter"
    run.parent.mkdir(parents=True)
    shutil.copytree(make("ink", 1), run)
    catalog = Catalog(str(tmp_path / "studio.db"), str(tmp_path / "files"))
    add(catalog, run, name="ink")
    set_consent(catalog, "ink", Consent("withdrawn"))
    catalog.close()
    monkeypatch.setenv("FEWSHOT_CATALOG_DB", str(tmp_path / "studio.db"))
    with pytest.raises(IntegrityError, match="withdrawn"):
        load_style("mine")
    monkeypatch.setenv("FEWSHOT_CATALOG_DB", str(tmp_path / "not-mounted" / "studio.db"))
    with pytest.raises(UnreachableError, match="no such file"):
        load_style("mine")
    with pytest.raises(UnreachableError, match="no such file"):
        find_operand("mine")
    monkeypatch.delenv("FEWSHOT_CATALOG_DB")
    assert load_style("mine").name == "ink"


def test_consent_that_is_given_to_one_of_two_names_says_whether_it_helps(
    make: Make, catalog: Catalog
) -> None:
    folder = make("ink", 1)
    for name in ("ink", "copy"):
        add(catalog, folder, name=name)
        set_consent(catalog, name, Consent("withdrawn"))
    assert "copy" in set_consent(catalog, "ink", Consent("granted"))
    assert set_consent(catalog, "copy", Consent("granted")) == ""


def test_a_consent_that_a_folder_states_expires_and_can_be_renewed_in_the_catalogue(
    make: Make, tmp_path: Path
) -> None:
    folder = make("ink", 1, consent={"status": "granted", "by": "Ann", "expires": YESTERDAY})
    with pytest.raises(IntegrityError, match=f"expired on {YESTERDAY}") as caught:
        load_style(str(folder))
    assert caught.value.exit_code == 6
    catalog = Catalog()
    add(catalog, folder)
    with pytest.raises(IntegrityError, match=f"expired on {YESTERDAY}"):
        load_style("ink")
    set_consent(catalog, "ink", Consent("granted", by="Ann", expires=TOMORROW))
    add(catalog, folder)
    style = load_style("ink")
    assert style.consent.expires == TOMORROW
    TorchEngine(create_model("scan_tiny"), [(style, 1.0)])
    with pytest.raises(IntegrityError):
        load_style(str(folder))


@pytest.mark.parametrize("odd", ["sold", ["granted"], {"status": "granted", "expires": "soon"}])
def test_a_folder_with_an_odd_consent_is_refused(make: Make, odd: object) -> None:
    with pytest.raises(IntegrityError, match=r"adapter\.json: .*consent"):
        load_style(str(make("ink", 1, consent=odd)))


def test_consent_in_words() -> None:
    said = Consent("granted", by="Ann", date="2026-01-31", scope="prints", expires="2027-01-31")
    assert str(said) == "granted by Ann on 2026-01-31 until 2027-01-31 for: prints"
    assert str(Consent()) == "unknown"


def test_the_last_day_still_counts() -> None:
    assert not Consent("granted", expires=TOMORROW).refusal()
    day = datetime.date(2026, 1, 31)
    assert not Consent("granted", expires="2026-01-31").refusal(day)
    assert Consent("granted", expires="2026-01-30").refusal(day)


@pytest.mark.parametrize(
    "wrong", [{"status": "sold"}, {"date": "31.1.2026"}, {"expires": "2026-02-30"}, {"evidence": "letter"}]
)
def test_odd_consents_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Consent(**{"status": "granted", **wrong})  # type: ignore[arg-type]


def test_unknown_consent_warns(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    add(Catalog(), make("ink", 1, consent="unknown"))
    load_style("ink")
    assert "fewshot catalog consent ink granted" in capsys.readouterr().err.replace("\n", " ")


def test_any_flipped_byte_is_named_and_refused(catalog: Catalog, make: Make) -> None:
    add(catalog, make("ink", 1))
    assert catalog.blobs.folder is not None
    rng = random.Random(0)
    for path in sorted(p for p in catalog.blobs.folder.rglob("??/*") if p.is_file()):
        intact = path.read_bytes()
        at = rng.randrange(len(intact))
        path.write_bytes(intact[:at] + bytes([intact[at] ^ (1 << rng.randrange(8))]) + intact[at + 1 :])
        (problem,) = verify(catalog).problems
        assert problem.style == "ink@1"
        assert str(path) in problem.file
        with pytest.raises(IntegrityError):
            checkout(catalog, "ink")
        path.unlink()
        assert verify(catalog).problems[0].what == "missing"
        path.write_bytes(intact)
    folder, _ = checkout(catalog, "ink")
    (folder / "preview.png").write_bytes(b"another")
    assert (checkout(catalog, "ink")[0] / "preview.png").read_bytes() != b"another", "the cache is checked"


def test_a_root_belongs_to_one_catalogue(catalog: Catalog, make: Make, tmp_path: Path) -> None:
    add(catalog, make("ink", 1))
    thesis = tmp_path / "files" / "thesis.docx"
    thesis.write_bytes(b"years of work")
    mistyped = Catalog(str(tmp_path / "catalogue.db"), catalog.blobs.root)
    for change in (lambda: gc(mistyped, grace=0), lambda: add(mistyped, make("pen", 2))):
        with pytest.raises(ConflictError, match="another catalogue"):
            change()
    assert gc(catalog, grace=0).removed == 0
    assert thesis.exists()
    assert verify(catalog).problems == ()
    owner = Path(catalog.blobs.note_path(OWNER))
    owner.write_bytes(b"\xff" + owner.read_bytes()[1:])
    assert [str(owner) in problem.what for problem in verify(catalog).problems] == [True]
    with pytest.raises(ConflictError):
        gc(catalog, grace=0)
    owner.unlink()
    add(catalog, make("wash", 3))
    assert verify(catalog).problems == ()


def test_an_old_copy_of_the_database_collects_nothing(make: Make, tmp_path: Path) -> None:
    """What was added since belongs to nothing that it knows."""
    root, db, old = str(tmp_path / "files"), tmp_path / "studio.db", tmp_path / "copy.db"
    catalog = Catalog(str(db), root)
    add(catalog, make("early", 1))
    rm(catalog, "early")
    catalog.close()
    shutil.copy(db, old)
    catalog, copy = Catalog(str(db), root), Catalog(str(old), root)
    assert gc(copy, grace=3600).removed == 0
    add(catalog, make("late", 2))
    with pytest.raises(ConflictError, match="older than its files") as caught:
        gc(copy, grace=0)
    assert "--restored" in caught.value.hint
    assert verify(catalog).problems == ()
    # The newest one goes on collecting, also after another removal.
    assert gc(catalog, grace=0).removed > 0
    rm(catalog, "late")
    assert gc(catalog, grace=0).removed > 0
    # Put back on purpose, the copy is the newest from then on.
    add(catalog, make("later", 3))
    assert gc(copy, grace=0, restored=True).removed > 0
    assert gc(copy, grace=0).removed == 0


def test_a_moved_root_is_one_change(catalog: Catalog, db: str, make: Make, tmp_path: Path) -> None:
    add(catalog, make("ink", 1))
    (tmp_path / "files").rename(tmp_path / "moved")
    moved = Catalog(db, f"file://{tmp_path / 'moved'}")
    assert verify(moved).problems == ()
    assert checkout(moved, "ink")[0].is_dir()
    (problem,) = verify(catalog).problems
    assert "none of this catalogue's files" in problem.what
    # Added to where the others are not, nothing would be in one place.
    with pytest.raises(ConflictError, match="none of this catalogue's files") as caught:
        add(Catalog(db, str(tmp_path / "files")), make("pen", 2))
    assert "FEWSHOT_CATALOG_ROOT" in caught.value.hint
    with pytest.raises(IntegrityError, match="missing") as missing:
        checkout(catalog, "ink")
    assert "FEWSHOT_CATALOG_ROOT" in missing.value.hint


def test_pictures_find_their_style(catalog: Catalog, make: Make, small: ModuleType, db: str) -> None:
    folders = {f"hand{seed}": make(f"hand{seed}", seed) for seed in range(12)}
    for folder in folders.values():
        add(catalog, folder)
    search = PictureSearch(catalog)
    for name, folder in folders.items():
        found = search.search(small.hand_of(folder), limit=3)
        assert found[0].name == name
        assert found[0].similarity > found[1].similarity
    assert like(search, "hand3", limit=20)[0].name != "hand3"
    # Another process, and another one that finds the stored index.
    late = make("late", 99)
    add(Catalog(db, catalog.blobs.root), late)
    rm(catalog, "hand5")
    for again in (search, PictureSearch(catalog)):
        assert again.search(small.hand_of(late))[0].name == "late"
        assert "hand5" not in [hit.name for hit in again.search(small.hand_of(folders["hand5"]), limit=20)]
    add(catalog, make("late", 100))
    assert [hit.version for hit in search.search(small.hand_of(late), limit=20) if hit.name == "late"] == [2]
    assert len(search.search(small.hand_of(late), limit=50)) == 12
    assert [hit.name for hit in search.search(small.hand_of(late), only={"hand4"}.__contains__)] == ["hand4"]
    other = PictureSearch(catalog, dataclasses.replace(search.encoder, sha256="f" * 64))
    assert other.search(np.ones((1, small.DIM), np.float32)) == []


def test_a_style_of_many_pictures_does_not_hide_others(
    catalog: Catalog, make: Make, small: ModuleType
) -> None:
    for seed in range(6):
        folder = make(f"hand{seed}", seed)
        small.write_features(folder, small.hand_of(folder)[:1].repeat(150, 0))
        add(catalog, folder)
    assert len(PictureSearch(catalog).search(small.hand_of(folder), limit=6)) == 6


def test_a_backup_that_was_put_back_is_searched_as_it_is(
    make: Make, small: ModuleType, fewshot_home: Path
) -> None:
    first, second = make("first", 1), make("second", 2)
    Catalog().close()
    empty = (fewshot_home / "catalog.db").read_bytes()
    catalog = Catalog()
    add(catalog, first)
    PictureSearch(catalog).update()
    catalog.close()
    for path in fewshot_home.glob("catalog.db*"):
        path.unlink()
    (fewshot_home / "catalog.db").write_bytes(empty)
    catalog = Catalog()
    add(catalog, second)
    (found,) = PictureSearch(catalog).search(small.hand_of(first))
    assert (found.name, found.similarity < 0.5) == ("second", True)
    assert PictureSearch(catalog).search(small.hand_of(second))[0].similarity > 0.5
