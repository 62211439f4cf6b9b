"""Errors of recipes; the command line reads `hint` and `exit_code` from them."""


class RecipeError(Exception):
    """A recipe or an override that cannot be used; the message lists every mistake, one per line."""

    exit_code = 3

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RecipeNotFoundError(RecipeError):
    """No built-in, user or path recipe of that name."""

    exit_code = 4
