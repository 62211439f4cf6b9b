"""One error type with a hint and an exit code.

Every error has three parts: what was found, what was expected, and what to do next. `eval`, `base_models` and
`recipes` may not import this module; their own exceptions carry the same two attributes (`hint`, `exit_code`)
and the command line treats them alike.
"""


class FewshotError(Exception):
    """An error that a person can act on.

    Args:
        message: what was found and what was expected, naming the file or value.
        hint: what to do next, the exact command or flag where there is one.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(FewshotError):
    """The command was called with arguments that do not fit together."""

    exit_code = 2


class BadInputError(FewshotError):
    """A picture, folder or recipe cannot be used as it is."""

    exit_code = 3


class OutOfMemoryError(BadInputError):
    """There is not enough memory for what was asked for, at this moment."""


class UnavailableError(BadInputError):
    """This machine cannot do it now, whatever was asked for: a full disk, a place that is read-only."""


class NotFoundError(FewshotError):
    """A file, style, recipe or base does not exist."""

    exit_code = 4


class UnreachableError(NotFoundError):
    """A database or a store that does not answer."""


class ConflictError(FewshotError):
    """Something of that name exists already and would be overwritten."""

    exit_code = 5


class IntegrityError(FewshotError):
    """A hash does not match, an adapter belongs to another base, or consent forbids the use."""

    exit_code = 6


class Interrupted(FewshotError):
    """Stopped by Ctrl-C or SIGTERM; what was done until then is whole."""

    exit_code = 130


class ConsentError(IntegrityError):
    """The artist's consent forbids the use."""
