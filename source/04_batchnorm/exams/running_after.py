"""How `running_after` is examined."""

import torch

from convcraft.exam import aspect, exercise

from .shared import _Naming


def _running_after(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return (1 - kept) * mean, kept + (1 - kept) * var


@exercise(points=7, reference=_running_after)
def running_after(impl, draw):
    impl = _Naming(impl, "running_mean", "running_var")
    yield aspect("one step", "After one step, a share of `momentum` comes from the batch and the rest from the start, "
                 "0 for the mean and 1 for the variance.",
                 lambda: {"the notes' example": _floats(impl(0.5, 1 / 12, 0.1, 1)),
                          "another batch": _float_case(impl, draw, 1)})
    yield aspect("many steps", "Every further step mixes in the batch in the same way, `steps` times in all.",
                 lambda: {f"{steps} steps": _float_case(impl, draw, steps) for steps in (2, 3, 10, 50)})
    yield aspect("no step", "After 0 steps the running statistics are 0 and 1.",
                 lambda: {f"{steps} steps": _float_case(impl, draw, steps) for steps in (0, 7)})
    yield aspect("extremes", "With `momentum` 1 only the last batch counts; with 0 the statistics stay at 0 and 1.",
                 lambda: {f"momentum {momentum:g}": _floats(impl(draw.normal(1).item(), 2.5, momentum, 3))
                          for momentum in (1.0, 0.0)})
    yield aspect("tensors", "Numbers give numbers; tensors of shape (C,) give tensors of shape (C,), also after 0 "
                 "steps.",
                 lambda: {"numbers": impl(draw.normal(1).item(), 2.5, 0.25, 2),
                          **{f"{steps} steps": impl(draw.normal(4), draw.uniform(4, high=3), 0.25, steps)
                             for steps in (3, 0)}})
    yield aspect("inputs left alone", "The given tensors stay as they were, and float64 stays float64.",
                 lambda: {**_left_alone(impl, draw.normal(3, dtype=torch.float64), draw.uniform(3).double()),
                          "float32": impl(draw.normal(3), draw.uniform(3), 0.3, 2)}, dtype=True)


def _float_case(impl, draw, steps):
    mean, var, momentum = draw.normal(1).item(), draw.uniform(1, high=4).item(), draw.uniform(1, low=0.05, high=0.4)
    return _floats(impl(mean, var, momentum.item(), steps))


def _floats(parts):
    """The parts as floats where they are single numbers: whether they came as tensors is one aspect's matter."""
    return {name: value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value
            for name, value in parts.items()}


def _left_alone(impl, mean, var):
    return {"4 steps": impl(mean, var, 0.2, 4), "no step": impl(mean, var, 0.2, 0),
            "the given mean": mean, "the given var": var}


@running_after.misconception("You turned `momentum` round. In PyTorch it is the share of the NEW batch: with 0.1, "
                             "nine tenths of the old value stay. (An optimiser's momentum is meant the other way.)")
def turns_momentum_round(mean, var, momentum, steps):
    kept = momentum**steps
    return (1 - kept) * mean, kept + (1 - kept) * var


@running_after.misconception("Your running variance starts from 0. PyTorch starts it from 1, so that a net in eval "
                             "mode does no harm before its first batch.")
def starts_the_variance_at_zero(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return (1 - kept) * mean, (1 - kept) * var


@running_after.misconception("Your running mean starts from 1. It starts from 0; only the variance starts from 1.")
def starts_the_mean_at_one(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return kept + (1 - kept) * mean, kept + (1 - kept) * var


@running_after.misconception("You counted one step only. The same mixing happens `steps` times.")
def stops_after_one_step(mean, var, momentum, steps):
    return momentum * mean, (1 - momentum) + momentum * var


@running_after.misconception("You multiplied momentum by the number of steps. The steps do not add up: each one also "
                             "shrinks what the earlier ones brought in.")
def adds_the_steps_up(mean, var, momentum, steps):
    share = momentum * steps
    return share * mean, (1 - share) + share * var


@running_after.misconception("You took one step too many. After `steps` batches the start has been multiplied by (1 − "
                             "momentum) exactly `steps` times.")
def takes_a_step_too_many(mean, var, momentum, steps):
    kept = (1 - momentum) ** (steps + 1)
    return (1 - kept) * mean, kept + (1 - kept) * var


@running_after.misconception("You took one step too few: a loop from 1, or steps − 1 in the power. The first batch "
                             "mixes in as well.")
def takes_a_step_too_few(mean, var, momentum, steps):
    kept = (1 - momentum) ** max(steps - 1, 0)
    return (1 - kept) * mean, kept + (1 - kept) * var


@running_after.misconception("You exchanged the two starts: the running mean starts from 0, the running variance from "
                             "1.")
def exchanges_the_starts(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return kept + (1 - kept) * mean, (1 - kept) * var


@running_after.misconception("You returned the variance first. The task asks for (running_mean, running_var).")
def returns_the_variance_first(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return kept + (1 - kept) * var, (1 - kept) * mean


@running_after.misconception("You returned what the batches have, as a plain average would from the first batch on. "
                             "Here the start, 0 and 1, fades only little by little.")
def forgets_the_start_at_once(mean, var, momentum, steps):
    return (mean, var) if steps else (mean * 0, var * 0 + 1)


@running_after.misconception("You started from the plain numbers 0 and 1. With no step to take, numbers come back "
                             "even where tensors went in.")
def starts_from_numbers(mean, var, momentum, steps):
    running_mean, running_var = 0.0, 1.0
    for _ in range(steps):
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    return running_mean, running_var


@running_after.misconception("You started from `torch.zeros` and `torch.ones` in float32. Take the dtype from what is "
                             "given: float64 stays float64, also after 0 steps.")
def starts_in_float32(mean, var, momentum, steps):
    running_mean, running_var = 0.0, 1.0
    if isinstance(mean, torch.Tensor):
        running_mean, running_var = torch.zeros(mean.shape), torch.ones(var.shape)
    for _ in range(steps):
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    return running_mean, running_var


@running_after.misconception("You made tensors of the numbers you were given. Numbers in, numbers out: ordinary "
                             "arithmetic works for both.")
def makes_tensors_of_numbers(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return (1 - kept) * torch.as_tensor(mean), kept + (1 - kept) * torch.as_tensor(var)


@running_after.misconception("You added a share of the batch without shrinking the old value. The two shares, "
                             "momentum and 1 − momentum, must add up to 1.")
def never_forgets(mean, var, momentum, steps):
    return momentum * mean * steps, 1 + momentum * var * steps


@running_after.misconception("You averaged the standard deviation. What runs is the variance; take no root here.")
def runs_the_deviation(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return (1 - kept) * mean, kept + (1 - kept) * var**0.5


@running_after.misconception("You wrote the steps into the tensor you were given (`*=`, `+=`): the caller's "
                             "statistics are gone.")
def writes_into_the_given(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    mean *= 1 - kept
    var *= 1 - kept
    var += kept
    return mean, var


@running_after.misconception("The shares of the steps were added up: `steps * momentum` for the batches. A later "
                             "step takes its share of what is left, so the start shrinks by a factor, 1 − momentum.")
def adds_up_the_shares(mean, var, momentum, steps):
    left = max(0, 1 - momentum * steps)
    return mean * (1 - left), var * (1 - left) + left


@running_after.misconception("You raised `momentum` to the power of `steps`. What is multiplied again and again is "
                             "what stays of the start: (1 − momentum), `steps` times.")
def raises_momentum_to_the_power(mean, var, momentum, steps):
    share = momentum**steps
    return share * mean, (1 - share) + share * var


@running_after.misconception("A momentum of 0 was taken for none given (`momentum or …`). Zero is a share like any "
                             "other: nothing is learned.", literal=True)
def takes_zero_for_none(mean, var, momentum, steps):
    kept = (1 - (momentum or 0.1)) ** steps
    return (1 - kept) * mean, kept + (1 - kept) * var


@running_after.misconception("In the running variance the two shares changed places: what is left of the start belongs "
                             "to the 1, the rest to `var`.")
def exchanges_the_shares_of_the_variance(mean, var, momentum, steps):
    kept = (1 - momentum) ** steps
    return (1 - kept) * mean, kept * var + (1 - kept)


@running_after.misconception("The running mean is right; the running variance is `var` at once. It, too, comes from "
                             "its start little by little.")
def takes_the_variance_whole(mean, var, momentum, steps):
    return (1 - (1 - momentum) ** steps) * mean, var


@running_after.alternative
def step_after_step(mean, var, momentum, steps):
    running_mean, running_var = mean * 0, var * 0 + 1
    for _ in range(steps):
        running_mean = (1 - momentum) * running_mean + momentum * mean
        running_var = (1 - momentum) * running_var + momentum * var
    return running_mean, running_var


@running_after.alternative
def as_a_geometric_sum(mean, var, momentum, steps):
    shares = [momentum * (1 - momentum) ** age for age in range(steps)]
    return mean * sum(shares), var * sum(shares) + (1 - momentum) ** steps


@running_after.alternative
def by_calling_itself(mean, var, momentum, steps):
    if not steps:
        return mean - mean, var - var + 1
    running_mean, running_var = by_calling_itself(mean, var, momentum, steps - 1)
    return running_mean + momentum * (mean - running_mean), running_var + momentum * (var - running_var)
