"""ConvCraft: a course on convolutional networks whose exercises tell you which mistake you made."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convcraft.notebook import examine, set_examiner, show_progress, try_it

__all__ = ["examine", "set_examiner", "show_progress", "try_it"]


def __getattr__(name: str) -> Any:
    """What notebooks use; PyTorch is imported with it, and not before, for commands start faster so."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from convcraft import notebook

    return getattr(notebook, name)
