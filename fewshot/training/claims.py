"""Who works on what: locks that end with the process that holds them.

Nothing has to be timed, and nothing is left behind by `kill -9`: the operating system, or the database
server, lets go of what a dead process held, and another one takes it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from fewshot.errors import ConflictError
from fewshot.files import clear_write_errors


class Claims(Protocol):
    """Locks by name."""

    def claim(self, name: str) -> bool:
        """Take one without waiting; whether it was free."""
        ...

    def release(self, name: str) -> None:
        """Give it back."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


class FileClaims:
    """For processes that share a folder.

    Raises:
        BadInputError: the folder cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, FileLock] = {}
        with clear_write_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def claim(self, name: str) -> bool:
        """See `Claims`."""
        # A name of a style may have more bytes than that of a file.
        lock = FileLock(self._folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            return False
        self._held[name] = lock
        return True

    def release(self, name: str) -> None:
        """See `Claims`."""
        self._held.pop(name).release()

    def close(self) -> None:
        """See `Claims`."""
        for name in list(self._held):
            self.release(name)


class PostgresClaims:
    """For processes on any number of machines that share a database: its advisory locks."""

    def __init__(self, url: str) -> None:
        import psycopg

        plain = "postgresql" + url[url.index("://") :]
        self._connection = psycopg.connect(plain, autocommit=True, connect_timeout=10)

    def claim(self, name: str) -> bool:
        """See `Claims`."""
        return bool(self._ask("select pg_try_advisory_lock(%s)", name))

    def release(self, name: str) -> None:
        """See `Claims`."""
        self._ask("select pg_advisory_unlock(%s)", name)

    def close(self) -> None:
        """See `Claims`."""
        self._connection.close()

    def _ask(self, query: str, name: str) -> object:
        import psycopg

        digest = hashlib.sha256(f"fewshot adapt-many {name}".encode()).digest()
        key = int.from_bytes(digest[:8], signed=True)
        try:
            row = self._connection.execute(query.encode(), (key,)).fetchone()
        except psycopg.Error as error:
            # With the connection the locks are gone, so another process may be at the same artist.
            raise ConflictError(
                f"the connection to the database is lost: {str(error).strip()}",
                "nothing that was trained is lost; repeat the command to go on",
            ) from None
        return row[0] if row else None


def open_claims(url: str, folder: Path) -> Claims:
    """The database's locks where it is a server, else files in a folder."""
    return PostgresClaims(url) if url.startswith("postgres") else FileClaims(folder)
