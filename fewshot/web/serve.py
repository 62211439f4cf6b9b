"""Running the booth: its address, a QR code for phones, and a server that stops when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import io
import ipaddress
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

import segno
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fewshot.errors import UsageError
from fewshot.files import clear_write_errors
from fewshot.home import home
from fewshot.output import notice
from fewshot.web.app import create_app
from fewshot.web.settings import Settings
from fewshot.web.tls import fingerprint, self_signed

MOST_CONNECTIONS = 256
"""At a time; further ones are told to come back."""
EVERYWHERE = ("0.0.0.0", "::", "")
"""Hosts that stand for every address of this machine."""
SILENCE = 15
"""Seconds within which a connection has to say what it wants."""
GRACE = 10
"""Seconds that answers may take when the booth closes."""


@dataclass(frozen=True)
class Address:
    """Where the booth is."""

    host: str
    """What is listened on."""
    port: int
    """0 takes a free one."""
    secure: bool
    """https."""

    @property
    def local(self) -> str:
        """For this machine."""
        return self._url("localhost" if self.host in EVERYWHERE or is_loopback(self.host) else self.host)

    @property
    def public(self) -> str:
        """For phones on the same network; as `local` where they cannot reach it."""
        if is_loopback(self.host):
            return self.local
        return self._url(network_address() if self.host in EVERYWHERE else self.host)

    def _url(self, host: str) -> str:
        name = f"[{host}]" if ":" in host else host
        return f"{'https' if self.secure else 'http'}://{name}:{self.port}/"


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def network_address() -> str:
    """This machine's address on its network; nothing is sent to find it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    # Without a default route, as with a hotspot of its own, the name may tell.
    with contextlib.suppress(OSError):
        for *_, address in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET):
            if not is_loopback(str(address[0])):
                return str(address[0])
    return "127.0.0.1"


class PatientProtocol(HttpToolsProtocol):
    """Uvicorn's protocol, which gives up connections that do not say what they want.

    Without it a few hundred that stay silent would keep everybody else out.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """Wait for the rest of its head."""
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        """The body has patience of its own."""
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing to wait for."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(SILENCE, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def run(settings: Settings, host: str, port: int) -> None:
    """Serve until interrupted.

    Raises:
        UsageError: the port is taken, or the address is not this machine's.
        FewshotError: as `create_app`.
    """
    if settings.keep is not None:
        _check_writable(settings.keep)
    listening = _listen(host, port)
    address = Address(host, listening.getsockname()[1], settings.secure)
    certificate = key = None
    if settings.secure:
        hosts = (
            "localhost",
            "127.0.0.1",
            network_address(),
            *([host] if host not in ("0.0.0.0", "::") else []),
        )
        certificate, key = self_signed(home() / "tls", hosts)
    config = uvicorn.Config(
        create_app(settings),
        http=PatientProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=GRACE,
        ws_max_size=1_000_000,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    tell(address, settings, certificate)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(uvicorn.Server(config).serve(sockets=[listening]))
    notice("the booth is closed")


def tell(address: Address, settings: Settings, certificate: Path | None) -> None:
    """Say where the booth is, with a code that phones can read."""
    notice(f"the booth is open: {address.local}")
    if address.public != address.local:
        out = io.StringIO()
        segno.make(address.public, error="m").terminal(out, border=2, compact=True)
        notice(out.getvalue().rstrip("\n"))
        notice(f"for phones on the same network: {address.public}")
    if certificate is not None:
        notice(f"phones warn of its certificate, once; its SHA-256 is\n  {fingerprint(certificate)}")
    elif address.public != address.local:
        notice("phones show the camera in the page only with --tls-self-signed;")
        notice("without it they offer their own camera")
    notice(
        "visitors have to type the PIN" if settings.pin else "there is no PIN: whoever reaches it may use it"
    )
    if settings.keep is not None:
        notice(f"pictures of visitors who tick the box are kept in {settings.keep}")
    notice("Ctrl-C closes it")


def _check_writable(folder: Path) -> None:
    """Raise BadInputError where visitors' pictures cannot be kept, before one of them is asked."""
    with clear_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        # From here on whoever comes waits, so that the address can be told before the first answer.
        listening.listen(MOST_CONNECTIONS)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", "") or str(error)
        raise UsageError(
            f"cannot listen on {host}:{port}: {reason}", "use another --port or --host"
        ) from None
    return listening
