"""Forms with pictures, read into memory and never onto disk.

The usual parsers write large uploads to temporary files; a visitor's photo must not lie there. So the
streaming parser of python-multipart feeds arrays of bytes here, and a body that is too long, too slow or
malformed is given up while it comes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from fewshot.web.problems import Problem, busy

if TYPE_CHECKING:
    from fastapi import Request
    from python_multipart.multipart import MultipartCallbacks

    from fewshot.web.settings import Settings

_MOST_PARTS = 32
_CLOSE = {"Connection": "close"}
"""What is still to come of an upload that was given up is not read."""
_MOST_TEXT = 4096
"""Bytes of a field that is no file."""


@dataclass
class Form:
    """What a form holds."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    """Values by name, in their order."""
    files: dict[str, bytes] = field(default_factory=dict)
    """Contents by name; of several of one name, the last."""

    def text(self, name: str, default: str = "") -> str:
        """The last value of that name."""
        return self.texts.get(name, [default])[-1]

    def only(self, *names: str) -> None:
        """Raise Problem 422 for fields of other names: a typing error would be taken for the default."""
        others = sorted({*self.texts, *self.files} - set(names))
        if others:
            found = ", ".join(repr(other[:20]) for other in others[:4])
            raise Problem(422, f"unknown fields: {found}", f"use {', '.join(names)}")

    def flag(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.text(name).lower() in ("1", "true", "on", "yes")

    def file(self, name: str) -> bytes:
        """A file that has to be there."""
        content = self.files.get(name)
        if content == b"":
            raise Problem(422, f"the file {name!r} is empty", "send a picture")
        if not content:
            sent = ", ".join([*self.files, *self.texts]) or "nothing"
            raise Problem(
                422,
                f"there is no file {name!r} in the form; it has {sent}",
                f"send one: curl -F {name}=@me.jpg",
            )
        return content


class Held:
    """The bytes of all uploads that are coming in: connections are many, and memory is one."""

    def __init__(self, most: int) -> None:
        self.most, self.bytes = most, 0

    def add(self, count: int) -> None:
        """Hold more; raises Problem 503 where that is too much."""
        if self.bytes + count > self.most:
            raise busy(2, detail="too many uploads are coming in")
        self.bytes += count


async def read_form(request: Request, settings: Settings, held: Held, most: int | None = None) -> Form:
    """Read `multipart/form-data` of at most `most` bytes, the settings' when None.

    Raises:
        Problem: 400 malformed, 408 too slow, 413 too long, 415 something else than a form, 503 too many.
    """
    most = settings.most_bytes if most is None else most
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 70:
        raise Problem(
            415, "expected multipart/form-data with a boundary", "send a form: curl -F photo=@me.jpg URL"
        )
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > most:
        raise _too_long(most)
    builder = _Builder()
    parser = MultipartParser(boundary, builder.callbacks())
    received = 0
    try:
        async with asyncio.timeout(settings.deadline):
            async for chunk in _patient(request.stream(), settings.idle):
                if received + len(chunk) > most:
                    raise _too_long(most)
                held.add(len(chunk))
                received += len(chunk)
                parser.write(chunk)
    except TimeoutError:
        hint = "move nearer to the network, or send a smaller picture"
        raise Problem(408, "the upload is too slow", hint, _CLOSE) from None
    except ClientDisconnect:
        raise Problem(400, "the connection was closed before the end") from None
    except (FormParserError, UnicodeDecodeError, ValueError) as error:
        raise Problem(400, f"the form cannot be read: {error!s:.80}") from None
    finally:
        held.bytes -= received
    if not builder.ended:
        raise Problem(400, "the form has no end", "send all of it")
    return builder.form


async def _patient(stream: AsyncIterator[bytes], idle: float) -> AsyncIterator[bytes]:
    """Chunks of a stream; TimeoutError where none comes for a while."""
    iterator = stream.__aiter__()
    while True:
        try:
            async with asyncio.timeout(idle):
                chunk = await anext(iterator)
        except StopAsyncIteration:
            return
        yield chunk


def _too_long(most: int) -> Problem:
    return Problem(
        413,
        f"the upload is longer than {most / 1e6:g} MB",
        "send a smaller picture; 2,000 px are plenty",
        _CLOSE,
    )


class _Builder:
    """Collects what the parser calls back with."""

    def __init__(self) -> None:
        self.form, self.ended = Form(), False
        self._parts = 0
        self._header, self._value = bytearray(), bytearray()
        self._disposition: dict[bytes, bytes] = {}
        self._data = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": self._take,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise ValueError(f"more than {_MOST_PARTS} parts")
        self._disposition, self._data = {}, bytearray()

    def _end_header(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            _, self._disposition = parse_options_header(bytes(self._value))
        self._header, self._value = bytearray(), bytearray()

    def _take(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]
        if b"filename" not in self._disposition and len(self._data) > _MOST_TEXT:
            raise ValueError(f"a field is longer than {_MOST_TEXT} bytes")

    def _end(self) -> None:
        if b"name" not in self._disposition:
            raise ValueError("a part has no name")
        name = self._disposition[b"name"].decode()
        if b"filename" in self._disposition:
            self.form.files[name] = bytes(self._data)
        else:
            self.form.texts.setdefault(name, []).append(self._data.decode())
        self._data = bytearray()

    def _finish(self) -> None:
        self.ended = True
