"""Errors of the evaluation: what was found, what was expected, and what to do next."""

from __future__ import annotations


class EvalError(Exception):
    """A measurement that cannot be made as asked.

    Args:
        message: what was found and what was expected.
        hint: what to do next, the exact argument or flag where there is one.
    """

    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UnknownNameError(EvalError):
    """No extractor or style of that name exists."""

    exit_code = 4


class MissingWeightsError(EvalError):
    """An extractor needs a weight file that is not on this machine."""

    exit_code = 4


class WeightsMismatchError(EvalError):
    """A weight file, or an index made from one, is not the one that was expected."""

    exit_code = 6
