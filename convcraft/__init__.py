"""ConvCraft: a course on convolutional networks whose exercises tell you which mistake you made."""

from convcraft.notebook import examine, set_examiner, try_it

__all__ = ["examine", "set_examiner", "try_it"]
