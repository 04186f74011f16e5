"""The table of draws says which values an exam ever gives an argument, and which never."""

import torch

from convcraft.author.draws import draws
from convcraft.exam import aspect, exercise


@exercise(points=1, reference=lambda x, size: x[..., :size])
def cut(impl, draw):
    yield aspect("one", "Cut.", lambda: impl(draw.normal(2, 3, 4, 4), 1))
    yield aspect("two", "Cut.", lambda: [impl(draw.normal(1, 3, 4, 5), 2), impl(torch.zeros(2, 2, 3, 3), 1)])


def test_the_classes_that_come_and_those_that_never_come():
    lines = list(draws(cut, lambda x, size: None))
    assert lines[0] == "cut: 2 aspects"
    table = "\n".join(lines)
    assert "1 (2), 2 (1)" in table and "never: 0, more, negative" in table
    assert "H = W (2), H < W (1)" in table and "C = 3 (2)" in table
    never = next(line for line in lines if "H > W" in line)
    assert "never" in never and "C = 1" in never
