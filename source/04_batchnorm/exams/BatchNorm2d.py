"""How `BatchNorm2d` is examined."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise, gradients, nets, ops

from .shared import _lively


@exercise(points=17, reference=nn.BatchNorm2d, bans=ops.NORM)
def BatchNorm2d(impl, draw):
    close = {"rtol": 2e-2, "atol": 5e-2}  # with a hundred numbers a channel: which divisor it was, others look at
    yield aspect("training", "In training mode the output is normalised with the mean and variance of the batch itself "
                 "(divisor n), whatever the running statistics are.",
                 lambda: draw.fill_(impl(4))(_lively(draw, 3, 4, 4, 5)))
    yield aspect("start", "At the start `weight` and `running_var` are ones, `bias` and `running_mean` zeros, and "
                 "`num_batches_tracked` is an int64 zero.", lambda: _start(impl(3), _lively(draw, 6, 3, 4, 4)),
                 **close)
    yield aspect("running statistics", "Each training batch moves them: running = (1 − momentum) · running + momentum "
                 "· batch, with the batch's mean and its unbiased variance (divisor n − 1).",
                 lambda: _running(impl(3), [_lively(draw, 2, 3, *size) for size in ((2, 2), (2, 3), (3, 1))]))
    yield aspect("momentum", "`momentum` is the share of the new batch: 1 forgets all before it, 0 learns nothing.",
                 lambda: {f"momentum={momentum:g}": _running(impl(2, momentum=momentum),
                                                             [_lively(draw, 6, 2, 4, 5) for _ in range(2)])
                          for momentum in (0.3, 1.0, 0.0)}, **close)
    yield aspect("momentum None", "With `momentum=None` they are the plain average over all batches that "
                 "`num_batches_tracked` counts, also after a state dict was loaded.",
                 lambda: {"from the start": _running(impl(2, momentum=None), [_lively(draw, 6, 2, 4, 5)
                                                                              for _ in range(3)]),
                          "five batches loaded": _running(_with_five_batches(impl, draw), [_lively(draw, 6, 2, 4, 5)])},
                 **close)
    yield aspect("counter", "`num_batches_tracked` counts the training batches, not those seen in evaluation.",
                 lambda: _counted(impl(2), [_lively(draw, 6, 2, 4, 4) for _ in range(4)]), **close)
    yield aspect("evaluation", "In evaluation mode the running statistics normalise, so that a picture's result does "
                 "not depend on the rest of the batch.",
                 lambda: _alone_and_together(draw.fill_(impl(3)), _lively(draw, 4, 3, 3, 4)))
    yield aspect("statistics at rest", "Evaluation changes no statistic.",
                 lambda: _evaluated(draw.fill_(impl(3)), _lively(draw, 4, 3, 3, 4)))
    yield aspect("mode, not gradients", "`self.training` alone decides: under `torch.no_grad()` a training batch still "
                 "counts as one.", lambda: _without_gradients(draw.fill_(impl(3)), 3 * _lively(draw, 6, 3, 4, 4)),
                 **close)
    yield aspect("eps", "`eps` stands inside the root, in both modes.",
                 lambda: _both_modes(draw.fill_(impl(3, eps=0.5)), 3 * _lively(draw, 6, 3, 4, 4)), **close)
    yield aspect("far from zero", "Numbers such as 1000 ± 1 are still normalised to a thousandth.",
                 lambda: draw.fill_(impl(8))(1000 + draw.normal(4, 8, 10, 10)), rtol=5e-3, atol=4e-3)
    yield aspect("affine", "With `affine=False`, `weight` and `bias` are None, and neither is in the state dict.",
                 lambda: _furnished(draw.fill_(impl(3, 1e-5, 0.1, False)), _lively(draw, 6, 3, 4, 4)), **close)
    yield aspect("no tracking", "With `track_running_stats=False` there are no statistics (all three are None), and "
                 "every batch is normalised with its own, also in evaluation mode.",
                 lambda: _furnished(impl(3, track_running_stats=False), _lively(draw, 6, 3, 4, 4)), **close)
    yield aspect("state dict", "Its state dict goes into an `nn.BatchNorm2d` and back: the same five names, `weight` "
                 "and `bias` parameters, the other three buffers.", lambda: _both_ways(impl, draw), **close)
    yield aspect("no graph kept", "The statistics remember no graph: `running_mean.requires_grad` stays False.",
                 lambda: _graphs(impl(3), _lively(draw, 6, 3, 4, 4)), **close)
    yield aspect("float64", "After `.double()` all but the counter is float64. Gradients flow through the batch's mean "
                 "and variance; they flow in evaluation mode, too.",
                 lambda: _doubled(draw.fill_(impl(2).double()), _lively(draw, 3, 2, 3, 3)), dtype=True)
    yield aspect("ten steps of SGD", "A net with your layer, trained for ten steps of plain SGD, ends where the same "
                 "net with PyTorch's layer ends, to 1e-5.", lambda: _ten_steps(impl, draw), rtol=1e-5, atol=1e-5)


_NAMES = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def _of(module, name):
    """An attribute; the error for a missing one is the same whatever the class is called."""
    if not hasattr(module, name):
        raise AttributeError(f"the layer has no attribute `{name}`")
    return getattr(module, name)


def _statistics(module):
    return {name: _of(module, name) for name in ("running_mean", "running_var")}


def _copied(value):
    """A tensor as it is now; what is no tensor will be told."""
    return value.clone() if isinstance(value, torch.Tensor) else value


def _start(module, x):
    return {**{name: _copied(_of(module, name)) for name in _NAMES}, "output": module(x),
            "dtype of num_batches_tracked": str(getattr(_of(module, "num_batches_tracked"), "dtype", "none"))}


def _running(module, batches):
    outputs = [module(batch) for batch in batches]
    return {"last output": outputs[-1], **_statistics(module)}


def _with_five_batches(impl, draw):
    donor = draw.fill_(nn.BatchNorm2d(2, momentum=None))
    donor.num_batches_tracked.fill_(5)
    module = impl(2, momentum=None)
    module.load_state_dict(donor.state_dict())
    return module


def _counted(module, batches):
    first, second, third, fourth = batches
    outputs = [module(first), module(second), module.eval()(third), module.train()(fourth)]
    return {"output": outputs[0], "num_batches_tracked": int(_of(module, "num_batches_tracked"))}


def _alone_and_together(module, x):
    module.eval()
    return {"four pictures": module(x), "the first alone": module(x[:1]), "the others, brighter": module(x[1:] + 5)}


def _evaluated(module, x):
    module.eval()
    return {"output": module(x), **_statistics(module)}


def _without_gradients(module, x):
    with torch.no_grad():
        trained = module(x)
    moved = {name: _copied(value) for name, value in _statistics(module).items()}
    return {"training output": trained, **moved, "evaluation output": module.eval()(x)}


def _both_modes(module, x):
    with torch.no_grad():
        state = module.state_dict()
        if "running_mean" in state:
            state["running_mean"] += 3  # what is not saved stays far behind
    module.eval()
    evaluated = module(x)
    return {"in evaluation": evaluated, "in training": module.train()(x)}


def _furnished(module, x):
    nothing = {f"{name} is None": _of(module, name) is None for name in _NAMES}
    outputs = {"first batch": module(x), "second batch": module(x * 2 + 1), "in evaluation": module.eval()(x * 3 - 1)}
    return {**nothing, "state dict": ", ".join(sorted(module.state_dict())), **outputs}


def _both_ways(impl, draw):
    donor, heir, module = draw.fill_(nn.BatchNorm2d(3)), nn.BatchNorm2d(3), impl(3)
    names = sorted(module.state_dict())
    if names != sorted(_NAMES):
        raise ValueError(f"the names in its state dict are {', '.join(names)}")
    module.load_state_dict(donor.state_dict())
    output = module(5 * _lively(draw, 16, 3, 2, 3))  # no variance is like its root
    heir.load_state_dict(module.state_dict())
    return {"parameters": ", ".join(sorted(name for name, _ in module.named_parameters())),
            "buffers": ", ".join(sorted(name for name, _ in module.named_buffers())),
            "with PyTorch's state": output, "given back": heir.state_dict()}


def _graphs(module, x):
    leaf = x.requires_grad_()
    outputs = [module(leaf), module(leaf * 2)]
    remembered = {f"{name}.requires_grad": value.requires_grad for name, value in _statistics(module).items()}
    return {"output": outputs[1], **remembered}


def _doubled(module, x):
    evaluated = gradients(module.eval(), x)
    module.train().zero_grad()
    grad_x, = gradients(module, x)
    grads = {f"gradient of {name}": _of(module, name).grad for name in ("weight", "bias")}
    for name, grad in grads.items():
        if grad is None:
            raise RuntimeError(f"there is no {name}: it takes no part in the output, or it is no parameter")
    return {"gradient of x": grad_x, "gradient of x in evaluation mode": evaluated, **grads, **_statistics(module)}


def _ten_steps(impl, draw):
    x, y = _lively(draw, 12, 1, 6, 6), draw.integers(0, 3, 12)
    net = draw.fill_(nn.Sequential(nn.Conv2d(1, 4, 3), impl(4, eps=0.01), nn.ReLU(),
                                   nn.Conv2d(4, 4, 3), impl(4, eps=0.01), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3)))
    for _ in range(10):
        net.zero_grad()
        F.cross_entropy(net(x), y).backward()
        nets.descend(net.parameters(), lr=0.1)
    return {"output": net.eval()(x), "state dict": net.state_dict()}


class _Base(nn.Module):
    """A right BatchNorm2d in small methods, for the mistakes to be made one at a time."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.furnish()

    def furnish(self):
        count = self.num_features
        self.register_parameter("weight", nn.Parameter(torch.ones(count)) if self.affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros(count)) if self.affine else None)
        tracks = self.track_running_stats
        self.register_buffer("running_mean", torch.zeros(count) if tracks else None)
        self.register_buffer("running_var", torch.ones(count) if tracks else None)
        self.register_buffer("num_batches_tracked", torch.tensor(0) if tracks else None)

    def uses_the_batch(self):
        return self.training or not self.track_running_stats

    def moves_the_statistics(self):
        return self.training and self.track_running_stats

    def share(self):
        return 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum

    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var, self.share())

    def statistics(self, x):
        if self.uses_the_batch():
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            return mean, var
        return self.running_mean, self.running_var

    def root(self, var):
        return torch.sqrt(var + self.eps)

    def forward(self, x):
        mean, var = self.statistics(x)
        if self.moves_the_statistics():
            self.update(x)
        x = (x - mean[:, None, None]) / self.root(var)[:, None, None]
        return x if self.weight is None else x * self.weight[:, None, None] + self.bias[:, None, None]


@BatchNorm2d.misconception("The running variance was fed the variance divided by n. The batch is a sample of what "
                           "evaluation will see, so the running variance takes the unbiased one, divided by n − 1.")
class FeedsTheBiasedVariance(_Base):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var, self.share())


@BatchNorm2d.misconception("Momentum the other way round: you kept a tenth of the old value and took nine tenths of "
                           "the new. Here `momentum` is the share of the NEW batch.")
class TurnsMomentumRound(_Base):
    def share(self):
        return 1 / int(self.num_batches_tracked) if self.momentum is None else 1 - self.momentum


@BatchNorm2d.misconception("The batch's variance is computed as E[x²] − E[x]². Far from zero float32 has no digits "
                           "left for the difference: square the distances from the mean.")
class SubtractsLargeSquares(_Base):
    def statistics(self, x):
        mean, var = super().statistics(x)
        if self.uses_the_batch():
            mean = x.mean((0, 2, 3))
            var = ((x**2).mean((0, 2, 3)) - mean**2).clamp_min(0)
        return mean, var


@BatchNorm2d.misconception("`eps` stands outside the root: √var + eps. It belongs inside: √(var + eps).")
class PutsEpsOutside(_Base):
    def root(self, var):
        return torch.sqrt(var) + self.eps


@BatchNorm2d.misconception("The running statistics are plain attributes, not buffers. They are not saved, and "
                           "`.double()` and `.to(device)` leave them behind: see `register_buffer`.")
class KeepsPlainAttributes(_Base):
    def furnish(self):
        count = self.num_features
        self.weight = nn.Parameter(torch.ones(count)) if self.affine else None
        self.bias = nn.Parameter(torch.zeros(count)) if self.affine else None
        tracks = self.track_running_stats
        self.running_mean = torch.zeros(count) if tracks else None
        self.running_var = torch.ones(count) if tracks else None
        self.num_batches_tracked = torch.tensor(0) if tracks else None


@BatchNorm2d.misconception("The running statistics are attributes like any others. To be saved, and to move with the "
                           "layer, they must be buffers: `register_buffer`.")
class KeepsPlainAttributesAndAdds(KeepsPlainAttributes):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.mul_(1 - self.share()).add_(mean, alpha=self.share())
            self.running_var.mul_(1 - self.share()).add_(var, alpha=self.share())


@BatchNorm2d.misconception("The statistics are always the plain average of all batches. That is what `momentum=None` "
                           "asks for; a number is the share of each new batch.")
class AveragesInAnyCase(_Base):
    def share(self):
        return 1 / int(self.num_batches_tracked)


@BatchNorm2d.misconception("γ and β have names of their own here. The task calls them `weight` and `bias`, as PyTorch "
                           "does: under other names no state dict fits.")
class CallsThemGammaAndBeta(_Base):
    def furnish(self):
        super().furnish()
        del self.weight, self.bias
        self.gamma = nn.Parameter(torch.ones(self.num_features)) if self.affine else None
        self.beta = nn.Parameter(torch.zeros(self.num_features)) if self.affine else None

    def forward(self, x):
        mean, var = self.statistics(x)
        if self.moves_the_statistics():
            self.update(x)
        x = (x - mean[:, None, None]) / self.root(var)[:, None, None]
        return x if self.gamma is None else x * self.gamma[:, None, None] + self.beta[:, None, None]


@BatchNorm2d.misconception("`weight` and `bias` are buffers. No optimiser will find them and they never learn: what "
                           "is to be trained is an `nn.Parameter`.")
class MakesTheWeightsBuffers(_Base):
    def furnish(self):
        super().furnish()
        if self.affine:
            del self.weight, self.bias
            self.register_buffer("weight", torch.ones(self.num_features))
            self.register_buffer("bias", torch.zeros(self.num_features))


@BatchNorm2d.misconception("The statistics are parameters. An optimiser would then be given them to train, and weight "
                           "decay would shrink them: they are buffers.")
class MakesThemParameters(_Base):
    def furnish(self):
        super().furnish()
        if self.track_running_stats:
            mean, var = self.running_mean, self.running_var
            del self.running_mean, self.running_var
            self.running_mean = nn.Parameter(mean, requires_grad=False)
            self.running_var = nn.Parameter(var, requires_grad=False)


@BatchNorm2d.misconception("The running statistics carry the graph of every batch they have seen, and memory grows "
                           "with each step. Update them without gradients.", literal=True)
class KeepsTheGraph(_Base):
    def update(self, x):
        self.num_batches_tracked += 1
        var, mean = torch.var_mean(x, (0, 2, 3))
        share = self.share()
        self.running_mean = (1 - share) * self.running_mean + share * mean
        self.running_var = (1 - share) * self.running_var + share * var


@BatchNorm2d.misconception("You asked whether gradients are recorded. That is another switch: one may evaluate with "
                           "gradients, and run training batches without. Ask `self.training`.")
class AsksTheGradMode(_Base):
    def uses_the_batch(self):
        return torch.is_grad_enabled() or not self.track_running_stats

    def moves_the_statistics(self):
        return torch.is_grad_enabled() and self.track_running_stats


@BatchNorm2d.misconception("`affine=False` was ignored: `weight` and `bias` are there all the same.")
class IgnoresAffine(_Base):
    def furnish(self):
        self.affine = True
        super().furnish()


@BatchNorm2d.misconception("`affine=False` leaves the weights out of the arithmetic, but they are still parameters: "
                           "they would be saved, and shown to the optimiser. Let them be None.")
class AffineOnlyInForward(_Base):
    def furnish(self):
        self.multiplies, self.affine = self.affine, True
        super().furnish()

    def forward(self, x):
        weight, bias = self._parameters["weight"], self._parameters["bias"]
        out = super().forward(x)
        return out if self.multiplies else (out - bias[:, None, None]) / weight[:, None, None]


@BatchNorm2d.misconception("In evaluation mode you still normalise with the batch's own statistics. A picture's "
                           "result then depends on its neighbours, and a batch of one pixel becomes all zeros.")
class EvaluatesWithTheBatch(_Base):
    def uses_the_batch(self):
        return True


@BatchNorm2d.misconception("Evaluation moves the running statistics. Looking at the test pictures must change "
                           "nothing: update in training mode only.")
class MovesInEvaluation(_Base):
    def moves_the_statistics(self):
        return self.track_running_stats


@BatchNorm2d.misconception("In training mode you normalised with the running statistics. They lag behind, and no "
                           "gradient goes through them; training uses the batch's own.")
class TrainsWithTheRunning(_Base):
    def statistics(self, x):
        if not self.track_running_stats:
            return super().statistics(x)
        if self.training:
            self.update(x)
        return self.running_mean.clone(), self.running_var.clone()

    def moves_the_statistics(self):
        return False


@BatchNorm2d.misconception("`momentum=None` was taken for 0.1. It asks for the plain average over all batches: the "
                           "k-th batch has the share 1/k.")
class TakesNoneForTheDefault(_Base):
    def share(self):
        return 0.1 if self.momentum is None else self.momentum


@BatchNorm2d.misconception("You computed with `momentum` although it may be None: None is no number. Then the share "
                           "is one over the number of batches so far.")
class ComputesWithNone(_Base):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.mul_(1 - self.momentum).add_(mean * self.momentum)
            self.running_var.mul_(1 - self.momentum).add_(var * self.momentum)


@BatchNorm2d.misconception("`momentum=0` was taken for None (`if momentum:`, `momentum or …`). Zero is a share like "
                           "any other: nothing is learned. Ask `is None`.")
class TakesZeroForNone(_Base):
    def share(self):
        return self.momentum or 1 / int(self.num_batches_tracked)


@BatchNorm2d.misconception("`track_running_stats=False` was ignored: the statistics are kept and used all the same.")
class AlwaysTracks(_Base):
    def furnish(self):
        self.track_running_stats = True
        super().furnish()


@BatchNorm2d.misconception("With `track_running_stats=False` evaluation reaches for running statistics that are None. "
                           "Where there are none, the batch's own do the work in both modes.")
class ReachesForWhatIsNotThere(_Base):
    def uses_the_batch(self):
        return self.training


@BatchNorm2d.misconception("With `track_running_stats=False` evaluation normalises with mean 0 and variance 1, which "
                           "nobody has measured. Take the batch's own.")
class EvaluatesWithTheStart(_Base):
    def statistics(self, x):
        if self.training or self.track_running_stats:
            return super().statistics(x)
        return x.new_zeros(self.num_features), x.new_ones(self.num_features)

    def uses_the_batch(self):
        return self.training


@BatchNorm2d.misconception("`eps` is 1e-5 here, whatever was asked for when the layer was made.")
class KeepsItsOwnEps(_Base):
    def root(self, var):
        return torch.sqrt(var + 1e-5)


@BatchNorm2d.misconception("Without gradients your layer does not move its statistics. `torch.no_grad()` says nothing "
                           "of the mode: ask `self.training` alone.")
class RestsWithoutGradients(_Base):
    def moves_the_statistics(self):
        return super().moves_the_statistics() and torch.is_grad_enabled()


@BatchNorm2d.misconception("The first batch was taken over whole. Only with `momentum=None` does it count fully; "
                           "otherwise it, too, has the share `momentum`, and the start 0 and 1 the rest.")
class TakesTheFirstBatchWhole(_Base):
    def share(self):
        return 1.0 if self.num_batches_tracked == 1 else super().share()


@BatchNorm2d.misconception("`bias` is not added: your layer multiplies by `weight` and stops.")
class NeverAddsTheBias(_Base):
    def forward(self, x):
        return super().forward(x) if self.bias is None else super().forward(x) - self.bias.detach()[:, None, None]


@BatchNorm2d.misconception("`running_var` starts from zeros. Before the first batch eval mode then divides by √eps: "
                           "everything is 300 times too large. Start from ones.")
class StartsTheVarianceAtZero(_Base):
    def furnish(self):
        super().furnish()
        if self.track_running_stats:
            self.running_var.zero_()


@BatchNorm2d.misconception("The training output was divided by the unbiased deviation (n − 1). Only the running "
                           "variance is unbiased; the batch itself is normalised with divisor n.")
class NormalisesWithNMinus1(_Base):
    def statistics(self, x):
        if self.uses_the_batch():
            var, mean = torch.var_mean(x, (0, 2, 3))
            return mean, var
        return self.running_mean, self.running_var


@BatchNorm2d.misconception("The running variance never moves; only the running mean does.")
class FreezesTheVariance(_Base):
    def update(self, x):
        self.num_batches_tracked += 1
        self.running_mean.lerp_(x.detach().mean((0, 2, 3)), self.share())


@BatchNorm2d.misconception("`running_var` collects standard deviations. It holds a variance: PyTorch takes the root "
                           "of it later.")
class RunsTheDeviation(_Base):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            std, mean = torch.std_mean(x, (0, 2, 3))
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(std, self.share())


@BatchNorm2d.misconception("The batch's mean and variance were cut from the graph (`detach`, `no_grad`). Outputs are "
                           "right, gradients are not, and training drifts away from PyTorch's.")
class CutsTheStatistics(_Base):
    def statistics(self, x):
        return super().statistics(x.detach())


@BatchNorm2d.misconception("`num_batches_tracked` is missing. PyTorch saves it with the layer: without it the state "
                           "dicts do not fit each other.")
class HasNoCounter(_Base):
    def furnish(self):
        super().furnish()
        del self.num_batches_tracked
        self.seen = 0

    def share(self):
        return 1 / self.seen if self.momentum is None else self.momentum

    def update(self, x):
        self.seen += 1
        with torch.no_grad():
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var, self.share())


@BatchNorm2d.misconception("`num_batches_tracked` counts in floats. It counts batches: an int64, as `torch.tensor(0)` "
                           "is.")
class CountsInFloats(_Base):
    def furnish(self):
        super().furnish()
        if self.track_running_stats:
            self.num_batches_tracked = torch.tensor(0.0)


@BatchNorm2d.misconception("`num_batches_tracked` is there but never counts.")
class NeverCounts(_Base):
    def furnish(self):
        super().furnish()
        self.seen = 0

    def share(self):
        return 1 / self.seen if self.momentum is None else self.momentum

    def update(self, x):
        self.seen += 1
        with torch.no_grad():
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var, self.share())


@BatchNorm2d.misconception("You counted the numbers of a channel as if every picture were square (`shape[2] ** 2`). "
                           "They are N·H·W: `x.numel() / x.shape[1]`.")
class CountsSquarePictures(_Base):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            count = x.shape[0] * x.shape[2] ** 2
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var * count / (count - 1), self.share())


@BatchNorm2d.misconception("The batches are counted twice, and `momentum=None` asks a counter of your own. It is not "
                           "saved: after loading, the average begins anew. Ask `num_batches_tracked`.")
class CountsForItself(_Base):
    def furnish(self):
        super().furnish()
        self.seen = 0

    def share(self):
        return 1 / self.seen if self.momentum is None else self.momentum

    def update(self, x):
        self.seen += 1
        super().update(x)


@BatchNorm2d.misconception("In evaluation mode no gradient comes back. Evaluation freezes the statistics, not the "
                           "graph: one may ask what a trained net looks at, or train what stands before a frozen "
                           "norm.")
class EvaluatesWithoutGradients(_Base):
    def forward(self, x):
        with torch.set_grad_enabled(torch.is_grad_enabled() and (self.training or not self.track_running_stats)):
            return super().forward(x)


@BatchNorm2d.misconception("`register_buffer` was told `persistent=False`: the statistics move with the layer, and "
                           "they are not saved. A net that is loaded again would not know what it has seen.")
class IsNotSaved(_Base):
    def furnish(self):
        super().furnish()
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(self, name), persistent=False)


@BatchNorm2d.misconception("In evaluation mode `eps` stands outside the root, in training inside. It is one layer: "
                           "√(var + eps) in both.")
class EvaluatesWithEpsOutside(_Base):
    def root(self, var):
        return super().root(var) if self.uses_the_batch() else torch.sqrt(var) + self.eps


@BatchNorm2d.misconception("In evaluation mode you left out `weight` and `bias`. They were learned; both modes use "
                           "them.")
class EvaluatesWithoutAffine(_Base):
    def forward(self, x):
        if self.training or not self.track_running_stats:
            return super().forward(x)
        return (x - self.running_mean[:, None, None]) / self.root(self.running_var)[:, None, None]


@BatchNorm2d.misconception("The unbiased variance was made with N, the number of pictures: N / (N − 1). A channel "
                           "has n = N·H·W numbers, and n − 1 is one less than those.")
class CountsThePicturesOfABatch(_Base):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += 1
            var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
            self.running_mean.lerp_(mean, self.share())
            self.running_var.lerp_(var * len(x) / (len(x) - 1), self.share())


@BatchNorm2d.misconception("With `momentum=None` the k-th batch has the share 1/(k + 1) here: the start counts as a "
                           "batch of its own. The first batch has the share 1/1.")
class CountsTheStart(_Base):
    def share(self):
        return 1 / (int(self.num_batches_tracked) + 1) if self.momentum is None else self.momentum


@BatchNorm2d.misconception("`num_batches_tracked` counts pictures. It counts batches: one more for each, however "
                           "large it is.")
class CountsPictures(_Base):
    def update(self, x):
        with torch.no_grad():
            self.num_batches_tracked += len(x)
            share = len(x) / int(self.num_batches_tracked) if self.momentum is None else self.momentum
            var, mean = torch.var_mean(x, (0, 2, 3))
            self.running_mean.lerp_(mean, share)
            self.running_var.lerp_(var, share)


@BatchNorm2d.misconception("`running_var` carries the graph of every batch that it has seen, `running_mean` does "
                           "not: the variance has to be taken out of the graph, too.", literal=True)
class KeepsTheGraphOfTheVariance(_Base):
    def update(self, x):
        self.num_batches_tracked += 1
        var, mean = torch.var_mean(x, (0, 2, 3))
        share = self.share()
        self.running_mean = (1 - share) * self.running_mean + share * mean.detach()
        self.running_var = (1 - share) * self.running_var + share * var


@BatchNorm2d.misconception("In evaluation mode `eps` is left out. It is one layer: √(var + eps) in both modes.")
class EvaluatesWithoutEps(_Base):
    def root(self, var):
        return super().root(var) if self.uses_the_batch() else torch.sqrt(var)


@BatchNorm2d.misconception("In evaluation mode `eps` is 1e-5, whatever was asked for when the layer was made. It is "
                           "the same `eps` in both modes.")
class EvaluatesWithItsOwnEps(_Base):
    def root(self, var):
        return super().root(var) if self.uses_the_batch() else torch.sqrt(var + 1e-5)


@BatchNorm2d.misconception("With `track_running_stats=False` the statistics are not used, but they are still there, "
                           "and would be saved. All three are None then.")
class KeepsWhatItDoesNotTrack(_Base):
    def furnish(self):
        tracks, self.track_running_stats = self.track_running_stats, True
        super().furnish()
        self.track_running_stats = tracks


@BatchNorm2d.misconception("`num_batches_tracked` has the shape (1,). It is one number, of shape (), or PyTorch's "
                           "state dict does not fit.")
class CountsInAVector(_Base):
    def furnish(self):
        super().furnish()
        if self.track_running_stats:
            self.num_batches_tracked = torch.zeros(1, dtype=torch.int64)


@BatchNorm2d.misconception("`num_batches_tracked` is whole, but not int64, which is what PyTorch's layer saves.",
                           literal=True)
class CountsInShortNumbers(_Base):
    def furnish(self):
        super().furnish()
        if self.track_running_stats:
            self.num_batches_tracked = torch.tensor(0, dtype=torch.int32)


@BatchNorm2d.misconception("`weight` starts from zeros, and all that comes out is 0. It scales: start from ones.")
class StartsTheWeightAtZero(_Base):
    def furnish(self):
        super().furnish()
        if self.affine:
            nn.init.zeros_(self.weight)


@BatchNorm2d.misconception("`weight` and `bias` have the shape (1, C, 1, 1). They are saved as (C,): reshape them in "
                           "`forward`.")
class ShapesTheWeightsForImages(_Base):
    def furnish(self):
        super().furnish()
        if self.affine:
            self.weight = nn.Parameter(torch.ones(1, self.num_features, 1, 1))
            self.bias = nn.Parameter(torch.zeros(1, self.num_features, 1, 1))

    def forward(self, x):
        mean, var = self.statistics(x)
        if self.moves_the_statistics():
            self.update(x)
        x = (x - mean[:, None, None]) / self.root(var)[:, None, None]
        return x if self.weight is None else x * self.weight + self.bias


@BatchNorm2d.misconception("Where no `momentum` is given, yours is 0.9. The default is 0.1: the share of the NEW.")
class TakesNineTenthsByDefault(_Base):
    def __init__(self, num_features, eps=1e-5, momentum=0.9, affine=True, track_running_stats=True):
        super().__init__(num_features, eps, momentum, affine, track_running_stats)


@BatchNorm2d.alternative
class InOnePiece(nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum, self.affine, self.track = eps, momentum, affine, track_running_stats
        if affine:
            self.weight, self.bias = nn.Parameter(torch.ones(num_features)), nn.Parameter(torch.zeros(num_features))
        else:
            self.register_parameter("weight", None)
            self.register_parameter("bias", None)
        for name, value in [("running_mean", torch.zeros(num_features)), ("running_var", torch.ones(num_features)),
                            ("num_batches_tracked", torch.zeros((), dtype=torch.long))]:
            self.register_buffer(name, value if track_running_stats else None)

    def forward(self, x):
        shape = (1, -1, 1, 1)
        if self.training or not self.track:
            mean = x.mean(dim=(0, 2, 3))
            var = ((x - mean.view(shape)) ** 2).mean(dim=(0, 2, 3))
            if self.track:
                n = x.numel() / x.size(1)
                self.num_batches_tracked.add_(1)
                factor = 1.0 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
                self.running_mean = (1 - factor) * self.running_mean + factor * mean.detach()
                self.running_var = (1 - factor) * self.running_var + factor * var.detach() * n / (n - 1)
        else:
            mean, var = self.running_mean, self.running_var
        out = (x - mean.view(shape)) * torch.rsqrt(var.view(shape) + self.eps)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out


@BatchNorm2d.alternative
class OnTopOfPyTorchs(nn.BatchNorm2d):
    def forward(self, x):
        if self.training and self.track_running_stats:
            self.num_batches_tracked += 1
            share = self.momentum if self.momentum is not None else 1 / int(self.num_batches_tracked)
            samples = x.detach().transpose(0, 1).flatten(1)
            self.running_mean += share * (samples.mean(1) - self.running_mean)
            self.running_var += share * (samples.var(1) - self.running_var)
        if self.training or self.running_mean is None:
            mean = x.mean((0, 2, 3), keepdim=True)
            var = (x - mean).square().mean((0, 2, 3), keepdim=True)
        else:
            mean, var = self.running_mean[None, :, None, None], self.running_var[None, :, None, None]
        out = (x - mean) / torch.sqrt(var + self.eps)
        return out if self.weight is None else out * self.weight[None, :, None, None] + self.bias[None, :, None, None]


@BatchNorm2d.alternative
class InSmallMethods(_Base):
    pass


@BatchNorm2d.alternative
class AsScaleAndShift(_Base):
    def forward(self, x):
        mean, var = self.statistics(x)
        if self.moves_the_statistics():
            self.update(x)
        scale = 1 / self.root(var) if self.weight is None else self.weight / self.root(var)
        shift = -mean * scale if self.bias is None else self.bias - mean * scale
        return torch.einsum("nchw,c->nchw", x, scale) + shift.reshape(-1, 1, 1)


BatchNorm2d.equivalent(
    "share = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum -> "
    "share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum",
    "A tensor of one number divides and multiplies as the number in it does.")
