"""The one exception type for mistakes a user can mend."""


class InputError(ValueError):
    """A wrong argument, file or option, described in one sentence.

    The message says what was wrong, which file or argument, and what to do. The command line prints
    it without a traceback and exits with status 2; library callers catch it as a ``ValueError``.
    """
