"""Names for moments and stretches of time on Heliograph's time line. Does nothing at all when the
program does not run under `heliograph run`; needs nothing but the standard library.

    import heliograph

    heliograph.mark("cache warm")

    with heliograph.span("load rows"):
        ...

    @heliograph.span("request")
    def handle(): ...
"""

import contextlib
import ctypes

__all__ = ["is_watched", "mark", "span"]

_POINT, _BEGIN, _END = range(3)


def _find():
    try:
        say = ctypes.CDLL(None).heliograph_agent_mark
    except (AttributeError, OSError):
        return None
    say.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    say.restype = None
    return say


_say = _find()


def is_watched():
    """Whether the agent is in this program."""
    return _say is not None


def _tell(name, kind):
    if _say is not None:
        data = str(name).encode("utf-8", "replace")
        _say(data, len(data), kind)


def mark(name):
    """This moment, under this name."""
    _tell(name, _POINT)


class span(contextlib.ContextDecorator):
    """The time from the block's (or function's) begin to its end. Spans may lie within each other."""

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        _tell(self.name, _BEGIN)
        return self

    def __exit__(self, *_):
        _tell(self.name, _END)
        return False
