"""How points are written. It imports nothing that takes time: the command shows them before PyTorch is there."""

from convcraft.language import _


def points(value: float) -> str:
    """Points as they are shown: at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def score(got: float, most: float) -> str:
    """How many points of how many."""
    return _("{points} of {most} points").format(points=points(got), most=points(most))
