"""How `numerical_gradient` is examined: central differences, one number at a time, in float64."""

from itertools import product

import torch

from convcraft.exam import aspect, error_of, exercise, ops


def _central(f, x, eps=1e-6):
    x = x.detach().double()
    return _differences(f, x, lambda move: (f(x + move) - f(x - move)) / (2 * eps), eps)


def _differences(f, x, slope, eps):
    """`slope(move)` for each number of `x`, `move` being `eps` at its place and 0 elsewhere."""
    slopes = [float(slope(eps * one.reshape(x.shape))) for one in torch.eye(x.numel(), dtype=x.dtype)]
    return torch.tensor(slopes, dtype=torch.float64).reshape(x.shape)


def _cubes(x):
    return (x**3).sum()


def _neighbours(x):
    """Each number times the next one: the slope at one number is made of others, and the same for every step."""
    return (x * x.roll(1)).sum()


def _rows(x):
    """A number that only a tensor of the shape of `x` gives: in a flat row each number would have another factor."""
    factors = torch.arange(1.0, 1 + x.shape[0], dtype=x.dtype).reshape(-1, *[1] * (x.ndim - 1)) if x.ndim else 1
    return (factors * x**3).sum()


def _values(result):
    """In float64: what dtype the result has is another aspect's business."""
    return result.double() if isinstance(result, torch.Tensor) and result.is_floating_point() else result


def _to_scale(result):
    """The same where it is farthest from 0 as 1: sign and size of the slopes are another aspect's business."""
    if not isinstance(result, torch.Tensor) or not result.numel():
        return result
    flat = result.double().flatten()
    return (result.double() / flat[flat.abs().argmax()]).to(result.dtype)


def _slopes(impl, f, x, *eps):
    return _to_scale(_values(impl(f, x, *eps)))


def _furthest(impl, x, *eps):
    """How far the farthest move was from which `f` was asked."""
    moves, start = [], x.clone()

    def watched(moved):
        moves.append((moved.detach().double() - start).abs().max())
        return moved.sum()

    impl(watched, x, *eps)
    return torch.stack(moves).max()


def _in_anger(impl, x):
    """Whether `x` is bit for bit what it was after `f` has stopped with an error in its fourth call; which error."""
    calls, kept = [], x.clone()

    def gives_up(moved):
        calls.append(None)
        if len(calls) == 4:
            raise ZeroDivisionError("f gave up")
        return moved.sum()

    return [error_of(lambda: impl(gives_up, x), ZeroDivisionError), torch.equal(x, kept)]


def _and_x(impl, x):
    kept = x.clone()
    return [_slopes(impl, _cubes, x), torch.equal(x, kept)]


@exercise(points=6, reference=_central, bans=ops.AUTOGRAD)
def numerical_gradient(impl, draw):
    loose = {"rtol": 1e-5, "atol": 1e-5}  # differences of nearly the same numbers; which difference, "step" asks
    yield aspect("slopes", "For each number of `x`: move it up by `eps`, move it down by `eps`, and divide the "
                 "difference of the two results by 2·eps.",
                 lambda: _values(impl(_cubes, draw.normal(5).double())), **loose)
    yield aspect("step", "`eps` says how far; left out, it is 1e-6.",
                 lambda: [_values(impl(_cubes, draw.normal(4).double(), 0.5)),
                          _values(impl(_cubes, draw.normal(3).double(), eps=0.125)),
                          _furthest(impl, draw.normal(3).double()) * 1e6,
                          _furthest(impl, draw.normal(3).double(), 0.25)], **loose)
    yield aspect("others stay", "While one number is moved, all others are where they were.",
                 lambda: [_slopes(impl, _neighbours, draw.normal(count).double(), 0.5) for count in (3, 6)], **loose)
    yield aspect("shapes", "`x` may have any shape and any layout in memory; the result has the shape of `x`.",
                 lambda: [_slopes(impl, _rows, x) for x in (
                     draw.normal(2, 3).double(), draw.normal(2, 1, 3, 2).double(), draw.normal().double(),
                     draw.normal(3, 4).double().T, draw.normal(4, 6).double()[1:, ::2])], **loose)
    yield aspect("float64", "All of it is done in float64, also where `x` is float32, and the result is float64.",
                 lambda: [_to_scale(impl(_cubes, draw.normal(4))), _to_scale(impl(_cubes, draw.normal(3).double()))],
                 dtype=True, **loose)
    yield aspect("any number", "`f` gives its number as a tensor of shape () or as a Python float.",
                 lambda: [_slopes(impl, lambda x: float(_cubes(x)), draw.normal(4).double()),
                          _slopes(impl, _cubes, draw.normal(3).double())], **loose)
    yield aspect("left alone", "`x` is not changed, not by a rounding error, and not where `f` stops with an error.",
                 lambda: [_and_x(impl, draw.normal(5).double()), _in_anger(impl, draw.normal(4).double())], **loose)


numerical_gradient.equivalent(
    "for one in torch.eye(x.numel(), dtype=x.dtype): -> for one in torch.eye(x.numel()):",
    "A step that was rounded to float32 is off by less than a ten-millionth of itself, and so is the slope.")


@numerical_gradient.misconception("The difference was taken on one side: f(x + eps) − f(x), divided by eps. On both "
                                  "sides the error falls with eps² instead of eps.")
def looks_ahead_only(f, x, eps=1e-6):
    x = x.detach().double()
    return _differences(f, x, lambda move: (f(x + move) - f(x)) / eps, eps)


@numerical_gradient.misconception("The difference was divided by eps. Between x − eps and x + eps lie 2·eps.")
def divides_by_one_step(f, x, eps=1e-6):
    x = x.detach().double()
    return _differences(f, x, lambda move: (f(x + move) - f(x - move)) / eps, eps)


@numerical_gradient.misconception("The sign is turned round: subtract the result below, f(x − eps), from the one "
                                  "above.")
def subtracts_the_upper_one(f, x, eps=1e-6):
    return -_central(f, x, eps)


@numerical_gradient.misconception("All numbers were moved at once, so the result is the sum of all slopes everywhere. "
                                  "Move one number, ask `f`, and put it back.")
def moves_all_at_once(f, x, eps=1e-6):
    x = x.detach().double()
    return torch.full_like(x, float((f(x + eps) - f(x - eps)) / (2 * eps)))


@numerical_gradient.misconception("A number that was moved was not put back before the next one was moved.")
def puts_nothing_back(f, x, eps=1e-6):
    moved = x.detach().double().clone(memory_format=torch.contiguous_format)
    slopes = torch.zeros(moved.numel(), dtype=torch.float64)
    flat = moved.view(-1)
    for place in range(flat.numel()):
        flat[place] += eps
        above = float(f(moved))
        flat[place] -= 2 * eps
        slopes[place] = (above - float(f(moved))) / (2 * eps)
    return slopes.reshape(x.shape)


@numerical_gradient.misconception("The step is always 1e-6, whatever `eps` says.")
def steps_by_a_millionth(f, x, eps=1e-6):
    return _central(f, x)


@numerical_gradient.misconception("A float32 `x` was moved in float32. Near 1 the next float32 is 1.2e-7 away, so a "
                                  "step of 1e-6 is wrong by several percent. Make it float64 first.")
def stays_in_single_precision(f, x, eps=1e-6):
    return _differences(f, x, lambda move: (f(x + move) - f(x - move)) / (2 * eps), eps).double()


@numerical_gradient.misconception("The result has the dtype of `x` or is float32. It should be float64, whatever `x` "
                                  "is.")
def gives_the_dtype_of_x(f, x, eps=1e-6):
    return _central(f, x, eps).to(torch.float32)


@numerical_gradient.misconception("The result is a flat row of numbers. Give it the shape of `x`.")
def gives_a_flat_row(f, x, eps=1e-6):
    return _central(f, x, eps).flatten()


def _in_place(f, x, eps):
    slopes = torch.zeros(x.shape, dtype=torch.float64)
    for place in product(*map(range, x.shape)):
        x[place] += eps
        above = float(f(x))
        x[place] -= 2 * eps
        slopes[place] = (above - float(f(x))) / (2 * eps)
        x[place] += eps
    return slopes


@numerical_gradient.misconception("`x` is not what it was, if only by a rounding error. Move a copy: `x.double()` of a "
                                  "float64 tensor is `x` itself, `x.clone()` is not.", literal=True)
def moves_x_itself(f, x, eps=1e-6):
    return _in_place(f, x.double(), eps)


@numerical_gradient.misconception("`x` is put back in the end, but not where `f` stops with an error: then it stays as "
                                  "it was moved. Move a copy instead.", literal=True)
def leaves_x_moved_after_an_error(f, x, eps=1e-6):
    x, slopes = x.double(), torch.zeros(x.shape, dtype=torch.float64)
    for place in product(*map(range, x.shape)):
        kept = x[place].item()
        x[place] = kept + eps
        above = float(f(x))
        x[place] = kept - eps
        slopes[place] = (above - float(f(x))) / (2 * eps)
        x[place] = kept
    return slopes


@numerical_gradient.misconception("`f` was taken to give a tensor: a Python float has no `.item()`. `float(...)` takes "
                                  "both.")
def asks_a_float_for_its_item(f, x, eps=1e-6):
    x = x.detach().double()
    return _differences(f, x, lambda move: (f(x + move).item() - f(x - move).item()) / (2 * eps), eps)


@numerical_gradient.misconception("`view` needs numbers that lie in memory one after the other, and `x` may lie in any "
                                  "way. `reshape` and `flatten` copy where they must.")
def looks_at_x_through_a_view(f, x, eps=1e-6):
    flat = x.detach().double().view(-1)
    slopes = torch.zeros_like(flat)
    for place in range(flat.numel()):
        move = torch.zeros_like(flat)
        move[place] = eps
        slopes[place] = (f((flat + move).view(x.shape)) - f((flat - move).view(x.shape))) / (2 * eps)
    return slopes.view(x.shape)


@numerical_gradient.misconception("The step is a share of each number, `eps` times its size, not `eps`. Numbers of "
                                  "other sizes are moved by other amounts, and 0 not at all.")
def steps_by_a_share_of_each_number(f, x, eps=1e-6):
    x = x.detach().double()
    moves = torch.diag(eps * x.abs().flatten()).reshape(-1, *x.shape)
    slopes = [(float(f(x + move)) - float(f(x - move))) / (2 * float(move.sum())) for move in moves]
    return torch.tensor(slopes, dtype=torch.float64).reshape(x.shape)


@numerical_gradient.misconception("The difference was taken on one side: f(x) − f(x − eps), divided by eps. On both "
                                  "sides the error falls with eps² instead of eps.")
def looks_back_only(f, x, eps=1e-6):
    x = x.detach().double()
    return _differences(f, x, lambda move: (f(x) - f(x - move)) / eps, eps)


@numerical_gradient.misconception("`f` was given a flat row of numbers. It takes a tensor of the shape of `x`, and may "
                                  "need its rows and columns.")
def hands_over_a_flat_row(f, x, eps=1e-6):
    flat = x.detach().double().flatten()
    return _differences(f, flat, lambda move: (f(flat + move) - f(flat - move)) / (2 * eps), eps).reshape(x.shape)


@numerical_gradient.misconception("`/ 2 * eps` divides by 2 and then multiplies by eps. Brackets are missing: divide "
                                  "by (2 * eps).")
def multiplies_by_eps(f, x, eps=1e-6):
    return _central(f, x, eps) * eps**2


@numerical_gradient.misconception("Each number was moved by half of `eps`, up and down. The step is `eps` to each "
                                  "side, and 2·eps from end to end.")
def moves_by_half_of_eps(f, x, eps=1e-6):
    return _central(f, x, eps / 2)


@numerical_gradient.misconception("After the move up by eps, the move down by eps only led back to x: the difference "
                                  "is one-sided, and was divided by 2·eps. From up to down there are two steps.")
def moves_down_once(f, x, eps=1e-6):
    x = x.detach().double()
    return _differences(f, x, lambda move: (f(x + move) - f(x)) / (2 * eps), eps)


@numerical_gradient.misconception("f(x + eps) and f(x − eps) came out alike, so that all slopes are 0: both were "
                                  "asked of one tensor. `y = x` is a second name, no copy; `x.clone()` makes one.")
def asks_one_tensor_twice(f, x, eps=1e-6):
    x = x.detach().double()
    return 0 * _central(f, x, eps)


@numerical_gradient.alternative
def number_by_number(f, x, eps=1e-6):
    moved = x.detach().to(torch.float64).clone(memory_format=torch.contiguous_format)
    flat, slopes = moved.view(-1), torch.zeros(x.numel(), dtype=torch.float64)
    for place in range(flat.numel()):
        kept = flat[place].item()
        flat[place] = kept + eps
        above = f(moved)
        flat[place] = kept - eps
        below = f(moved)
        flat[place] = kept
        slopes[place] = (above - below) / (2 * eps)
    return slopes.reshape(x.shape)


@numerical_gradient.alternative
def by_index(f, x, eps=1e-6):
    result = torch.zeros(x.shape, dtype=torch.float64)
    for place in torch.ones(x.shape).nonzero().tolist():
        place = tuple(place)
        up, down = x.detach().double().clone(), x.detach().double().clone()
        up[place] += eps
        down[place] -= eps
        result[place] = float(f(up)) / (2 * eps) - float(f(down)) / (2 * eps)
    return result


@numerical_gradient.alternative
def by_half_the_sum_of_two_sides(f, x, eps=1e-6):
    x = x.detach().double()
    here = f(x)
    return _differences(f, x, lambda move: ((f(x + move) - here) + (here - f(x - move))) / eps / 2, eps)
