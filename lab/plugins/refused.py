"""The one exception that a user is meant to read."""


class RefusedError(Exception):
    """An operation cannot go on; the text is shown as it is, so it holds no secret."""
