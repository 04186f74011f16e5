"""How `toy_affine` is examined."""

from convcraft.exam import aspect, exercise


def _affine(x, scale, shift=0.0):
    return x * scale + shift


@exercise(points=30, reference=_affine)
def toy_affine(impl, draw):
    yield aspect("values", "Scale, then shift.", lambda: impl(draw.normal(3, 4), 2.5, -1.25))
    yield aspect("default", "Without a shift nothing is added.", lambda: impl(draw.normal(6), 3.0))
    yield aspect("third", "It takes whole numbers, too.", lambda: impl(draw.normal(2, 3), 2, 7))


@toy_affine.misconception("The shift was added before scaling.")
def shifts_first(x, scale, shift=0.0):
    return (x + shift) * scale
