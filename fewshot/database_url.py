"""Database URLs in messages: never with a password."""

from __future__ import annotations

import re

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

_SECRETS = re.compile(r"(?i)((?:password|passfile|sslkey|sslpassword)=)[^&]*")


def shown_url(url: str) -> str:
    """A URL for messages, without its password; one that cannot be read is not shown beyond its kind."""
    if "://" not in url:
        return url
    try:
        return _SECRETS.sub(r"\1***", make_url(url).render_as_string(hide_password=True))
    except (ArgumentError, ValueError):
        return f"{url.partition('://')[0]}://…"
