"""A module of a class that forgets `super().__init__()`, or calls it too late: one slip, which costs one aspect."""

import re
from typing import Any

from torch import nn

_TOO_LATE = "its parts were assigned before Module.__init__() call"
_ERRORS = re.compile(r"before Module\.__init__\(\) call|has no attribute '_(modules|parameters|buffers)'")


class _Once(nn.Module):
    """Stands between a class and `nn.Module`: what has been initialised is not initialised again."""

    def __init__(self, *_: object, **__: object) -> None:
        pass


def module(kind: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any], *, mended: bool) -> nn.Module:
    """An instance of `kind`.

    Args:
        mended: where its `__init__` does not begin with `super().__init__()`, it is as if it did.

    Raises:
        AttributeError: it does not, and is not to be mended; beside whatever `kind` raises.
    """
    try:
        made = kind(*args, **kwargs)
        if "_parameters" in vars(made):
            return made
        problem = None
    except AttributeError as error:
        if not _ERRORS.search(str(error)):
            raise
        problem = error.__traceback__
    if not mended:
        raise AttributeError(_TOO_LATE).with_traceback(problem)
    return _begun(kind, args, kwargs)


def _begun(kind: type[nn.Module], args: tuple[Any, ...], kwargs: dict[str, Any]) -> nn.Module:
    def begin(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        nn.Module.__init__(self)
        kind.__init__(self, *args, **kwargs)

    made: nn.Module = type(kind.__name__, (kind, _Once), {"__init__": begin})(*args, **kwargs)
    made.__class__ = kind
    return made
