"""Journal and PostgreSQL: the same promises. The server is a real one, started for these tests."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewshot.errors import IntegrityError, NotFoundError, UsageError
from fewshot.selection.storage import STUDY, JournalStore, PostgresStore, Store, _cut_half_line, locked

Open = Callable[[], Store]


@pytest.fixture(params=["journal", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store again and again, as other processes would."""
    stores: list[Store] = []

    def again() -> Store:
        if request.param == "journal":
            stores.append(JournalStore(tmp_path / "study", "s"))
        else:
            stores.append(PostgresStore(request.getfixturevalue("postgres"), f"s {tmp_path.name}"))
        return stores[-1]

    yield again
    for store in stores:
        store.close()


def test_a_lock_is_held_once_and_may_be_taken_again(opened: Open) -> None:
    ours, theirs = opened(), opened()
    assert ours.claim(3)
    assert not theirs.claim(3)
    assert theirs.claim(4)
    ours.release(3)
    assert theirs.claim(3)
    ours.close()
    theirs.close()
    third = opened()
    with locked(third, STUDY):
        assert third.claim(3)


def test_bytes_and_scores_come_back_in_another_process(opened: Open, tmp_path: Path) -> None:
    ours, theirs = opened(), opened()
    name = f"s {tmp_path.name}" if isinstance(ours, PostgresStore) else "s"
    study = optuna.create_study(study_name=name, storage=ours.storage)
    study.ask()
    data = bytes(range(256)) * 40
    assert ours.fetch(0, "fold-0") is None
    ours.keep(0, "fold-0", b"older")
    ours.keep(0, "fold-0", data)
    assert theirs.fetch(0, "fold-0") == data
    assert len(theirs.storage.get_all_studies()[0].study_name) > 0


_HOLDER = """
import sys, time
from pathlib import Path
from fewshot.selection.storage import open_store
store = open_store(Path(sys.argv[1]), "s", sys.argv[2] or None)
assert store.claim(5)
print("held", flush=True)
time.sleep(100)
"""


@pytest.mark.parametrize("kind", ["journal", "postgres"])
def test_a_killed_process_leaves_no_lock(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = request.getfixturevalue("postgres") if kind == "postgres" else ""
    words = [sys.executable, "-c", _HOLDER, str(tmp_path), url]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        store: Store = PostgresStore(url, "s") if url else JournalStore(tmp_path, "s")
        assert not store.claim(5)
        holder.kill()
        holder.wait()
    with locked(store, 5):
        pass
    store.close()


@given(st.integers(0, 290))
def test_a_journal_that_was_cut_anywhere_goes_on(cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.log"
        lines = [b'{"op_code":%d}\n' % n for n in range(20)]
        path.write_bytes(b"".join(lines)[:cut])
        _cut_half_line(path)
        left = path.read_bytes()
        assert left == b"" or left.endswith(b"\n")
        assert b"".join(lines).startswith(left)
        assert cut - len(left) < max(map(len, lines))


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.log").write_bytes(b"no journal\nat all\n")
    with pytest.raises(IntegrityError, match=r"journal\.log"):
        JournalStore(tmp_path, "s")


def test_a_database_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(UsageError, match="PostgreSQL URL") as caught:
        PostgresStore("mysql://me:secret@host/db", "s")
    assert "secret" not in str(caught.value)
    for url in ("postgresql://me:secret@127.0.0.1:9/db", "postgresql://me@127.0.0.1:9/db?password=secret"):
        with pytest.raises(NotFoundError, match="no database") as gone:
            PostgresStore(url, "s")
        assert "secret" not in str(gone.value)
