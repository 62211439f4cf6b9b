"""A certificate that the booth signs itself: browsers give the camera only to https or to their own machine.

Visitors' phones warn once of a certificate that nobody vouches for; it is kept, so that they do so only once.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fewshot.files import atomic_write, clear_write_errors

DAYS = 365
"""Phones of one maker refuse certificates that hold for more than 398."""
_LEFT = datetime.timedelta(days=30)


def self_signed(folder: Path, hosts: Sequence[str]) -> tuple[Path, Path]:
    """Certificate and key for these names and addresses, made where there are none that fit.

    Returns:
        Paths of two PEM files in `folder`; the key can be read by its owner alone.
    """
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    if not _fits(certificate, key, hosts):
        _make(certificate, key, hosts)
    return certificate, key


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a certificate, as browsers show it."""
    read = x509.load_pem_x509_certificate(certificate.read_bytes())
    return read.fingerprint(hashes.SHA256()).hex(":").upper()


def _fits(path: Path, key: Path, hosts: Sequence[str]) -> bool:
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        private = serialization.load_pem_private_key(key.read_bytes(), None)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    now = datetime.datetime.now(datetime.UTC)
    lasts = found.not_valid_after_utc > now + _LEFT
    return lasts and private.public_key() == found.public_key() and set(_names(hosts)) <= set(names)


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    named: list[x509.GeneralName] = []
    for host in dict.fromkeys(hosts):
        try:
            named.append(x509.IPAddress(ipaddress.ip_address(host)))
        except ValueError:
            named.append(x509.DNSName(host))
    return named


def _make(certificate: Path, key: Path, hosts: Sequence[str]) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fewshot booth")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    secret = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # Nobody else may read the key, at no moment.
    key.unlink(missing_ok=True)
    key.parent.mkdir(parents=True, exist_ok=True)
    with clear_write_errors(key):
        descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
    atomic_write(certificate, lambda handle: handle.write(made.public_bytes(serialization.Encoding.PEM)))
