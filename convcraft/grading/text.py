"""Text of a student's, fit to be looked at."""

# Marks that change the direction of what follows: a line may then read as another than the one that runs.
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_SHOWN = {code: f"⟨U+{code:04X}⟩" for code in _DIRECTIONS}


def as_it_is(text: str) -> str:
    """The text in the order in which it is written: marks of direction are shown as such, what is no letter as "?"."""
    return text.encode("utf-8", "replace").decode("utf-8").translate(_SHOWN)
