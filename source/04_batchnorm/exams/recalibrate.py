"""How `recalibrate` is examined."""

from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import swa_utils

from convcraft.exam import aspect, exercise

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class _Net(nn.Module):
    """The exam's own net: norms of two kinds, one of them deep inside, and a dropout; it notes its calls."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
        inner = nn.Sequential(nn.Dropout(dropout), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3))
        self.deep = nn.Sequential(inner, nn.ReLU(), nn.Flatten())
        self.head = nn.Sequential(nn.Linear(16, 5), nn.BatchNorm1d(5, momentum=None), nn.Linear(5, 3))
        self.pictures, self.graphs = [], []

    def forward(self, x):
        self.pictures.append(len(x))
        self.graphs.append(torch.is_grad_enabled())
        return self.head(self.deep(self.stem(x)))


def _batches(draw, *counts):
    """Pairs of pictures that are neither centred nor of size 1, and labels."""
    return [(2 * draw.normal(count, 1, 6, 6) + 1, draw.integers(0, 3, count)) for count in counts]


def _trained(draw, dropout=0.0):
    """The net as if seven batches had gone through it."""
    net = draw.fill_(_Net(dropout))
    for norm in _norms(net).values():
        norm.num_batches_tracked.fill_(7)
    return net


def _fresh(draw, dropout=0.0):
    """The net with statistics as at the start: that they must be reset is a matter of two aspects alone."""
    net = draw.fill_(_Net(dropout))
    for norm in _norms(net).values():
        norm.reset_running_stats()
    return net


def _norms(net):
    return {name: module for name, module in net.named_modules() if isinstance(module, _NORMS)}


def _statistics(net):
    return {name: {"running_mean": norm.running_mean, "running_var": norm.running_var}
            for name, norm in _norms(net).items()}


def _recalibrate(net, loader, share=None, measured=lambda norm: True):
    modes = {module: module.training for module in net.modules()}
    momenta = {norm: norm.momentum for norm in _norms(net).values() if measured(norm)}
    net.eval()
    for norm in momenta:
        norm.reset_running_stats()
        norm.momentum = share
        norm.train()
    with torch.no_grad():
        for x, _ in loader:
            net(x)
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    for module, mode in modes.items():
        module.training = mode


def _refused(*arguments, **settings):
    raise RuntimeError("PyTorch's own `update_bn` was called. The task rules it out: write the pass yourself.")


@exercise(points=8, reference=_recalibrate)
def recalibrate(impl, draw):
    def run(net, batches):
        with patch.object(swa_utils, "update_bn", _refused):
            impl(net, batches)
        return net

    def measured(net, *counts):
        return _statistics(run(net, _batches(draw, *counts)))

    def counted():
        net = run(_trained(draw), _batches(draw, 6, 6, 6, 6))
        return {"running_mean": net.stem[1].running_mean,
                **{name: int(norm.num_batches_tracked) for name, norm in _norms(net).items()}}

    def dropped():
        return measured(_fresh(draw, dropout=0.5), 8, 8)

    def once():
        net = run(_fresh(draw), (batch for batch in _batches(draw, 5, 4, 5)))
        return {"batches seen": net.pictures, "running_mean": net.stem[1].running_mean}

    def momenta():
        net = run(_fresh(draw), _batches(draw, 7, 7))
        return {"momenta": [str(norm.momentum) for norm in _norms(net).values()],
                "running_mean": net.stem[1].running_mean}

    def modes():
        seen = {}
        for mode in (True, False):
            net = _fresh(draw).train(mode)
            net.deep[0][2].train(not mode)
            run(net, _batches(draw, 6, 6))
            seen["came in training mode" if mode else "came in evaluation mode"] = {
                "modes": {name or "the net": module.training for name, module in net.named_modules()},
                "running_mean": net.stem[1].running_mean}
        return seen

    def untrained():
        net = _fresh(draw)
        net.stem.requires_grad_(False)
        before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
        run(net, _batches(draw, 6, 6))
        return {"graph built, batch by batch": net.graphs, "gradients on afterwards": torch.is_grad_enabled(),
                "gradients": any(parameter.grad is not None for parameter in net.parameters()),
                "as before": all(torch.equal(before[name], parameter) for name, parameter in net.named_parameters()),
                "require gradients": [name for name, parameter in net.named_parameters() if parameter.requires_grad],
                "running_mean": net.stem[1].running_mean}

    yield aspect("statistics", "Afterwards `running_mean` and `running_var` of every norm are the plain average of "
                 "what the batches had, whatever they were before.",
                 lambda: measured(_trained(draw), 6, 6, 6), weight=2)
    yield aspect("unequal batches", "Each batch counts the same, a smaller last one, too.",
                 lambda: measured(_fresh(draw), 8, 8, 3))
    yield aspect("counter", "`num_batches_tracked` is the number of batches.", counted)
    yield aspect("dropout", "While it measures, the norms are in training mode and all else is in evaluation mode: "
                 "dropout would change what is measured.", dropped)
    yield aspect("one pass", "`loader` is anything that gives pairs (x, y) when looped over, each batch perhaps only "
                 "once.", once)
    yield aspect("momentum", "Each norm has its own `momentum` back, None among them.", momenta)
    yield aspect("modes", "Every module has its own mode back.", modes)
    yield aspect("nothing trained", "No graph is built, no parameter changes, none gets a gradient.", untrained)


def _varied(net, loader, *, reset=True, average=True, momenta_back=True, modes_back="each", dropout=False, graph=False,
            kinds=_NORMS, search=nn.Module.modules):
    """A right `recalibrate` with one thing done otherwise."""
    modes = {module: module.training for module in net.modules()}
    norms = [module for module in search(net) if isinstance(module, kinds)]
    momenta = {norm: norm.momentum for norm in norms}
    net.train(dropout)
    for norm in norms:
        if reset:
            norm.reset_running_stats()
        if average:
            norm.momentum = None
        norm.train()
    with torch.set_grad_enabled(graph):
        for x, _ in loader:
            net(x)
    for norm, momentum in momenta.items():
        norm.momentum = momentum if momenta_back else norm.momentum
    if modes_back == "each":
        for module, mode in modes.items():
            module.training = mode
    elif modes_back == "one":
        net.train(modes[net])
    elif modes_back == "eval":
        net.eval()


@recalibrate.misconception("The running statistics were not reset. The plain average then begins with what stood there "
                           "before, and the counter goes on from its old number: `reset_running_stats()`.")
def does_not_reset(net, loader):
    _varied(net, loader, reset=False)


@recalibrate.misconception("The momentum stayed as it was. After a few batches the start, 0 and 1, is still in the "
                           "statistics: with `momentum = None` a norm takes the plain average.")
def keeps_the_momentum(net, loader):
    _varied(net, loader, average=False)


@recalibrate.misconception("The norms were left with `momentum=None`. In later training their statistics would average "
                           "over all batches since now, and follow the weights ever more slowly: put each one's own "
                           "back.", literal=True)
def leaves_momentum_none(net, loader):
    _varied(net, loader, momenta_back=False)


@recalibrate.misconception("Every norm got a momentum of 0.1 back. They had their own: remember each before you change "
                           "it.", literal=True)
def gives_all_the_default(net, loader):
    _varied(net, loader)
    for norm in _norms(net).values():
        norm.momentum = 0.1


@recalibrate.misconception("The whole net was put into training mode, dropout, too. It throws numbers away that are "
                           "there in evaluation, and the variances come out too large: the norms alone.")
def drops_while_it_measures(net, loader):
    _varied(net, loader, dropout=True)


@recalibrate.misconception("A part of the net is not in the mode in which it came. `train(mode)` gives one mode to all "
                           "parts, and a norm that was frozen on purpose is thawed: put back each module's own.",
                           literal=True)
def puts_one_mode_back(net, loader):
    _varied(net, loader, modes_back="one")


@recalibrate.misconception("The net is left in evaluation mode, whatever mode it came in. Put back what was there.")
def leaves_it_evaluating(net, loader):
    _varied(net, loader, modes_back="eval")


@recalibrate.misconception("No mode is put back: the norms stay in training mode and all else in evaluation mode, as "
                           "they measured.")
def leaves_the_modes_of_measuring(net, loader):
    _varied(net, loader, modes_back="none")


@recalibrate.misconception("Every norm got a momentum of 0.1 for the pass. The start, 0 and 1, is still in the "
                           "statistics then: with `momentum = None` a norm takes the plain average.")
def measures_with_a_tenth(net, loader):
    momenta = {norm: norm.momentum for norm in _norms(net).values()}
    for norm in momenta:
        norm.momentum = 0.1
    _varied(net, loader, average=False)
    for norm, momentum in momenta.items():
        norm.momentum = momentum


@recalibrate.misconception("The pass was made in evaluation mode. There a norm reads its statistics and writes "
                           "nothing: after the reset they stay 0 and 1.")
def measures_in_evaluation_mode(net, loader):
    _recalibrate(net, [])
    modes = {module: module.training for module in net.modules()}
    net.eval()
    with torch.no_grad():
        for x, _ in loader:
            net(x)
    for module, mode in modes.items():
        module.training = mode


@recalibrate.misconception("A graph is built while it measures. Nobody will call `backward()`: put the pass under "
                           "`torch.no_grad()`.", literal=True)
def builds_the_graph(net, loader):
    _varied(net, loader, graph=True)


@recalibrate.misconception("Only `nn.BatchNorm2d` was looked for. `nn.BatchNorm1d` and `nn.BatchNorm3d` have running "
                           "statistics, too.")
def knows_two_dimensions(net, loader):
    _varied(net, loader, kinds=nn.BatchNorm2d)


@recalibrate.misconception("Only the net's direct parts were searched for norms. They sit inside blocks, and blocks "
                           "inside stages: `modules()` walks through all levels.")
def searches_one_level(net, loader):
    _varied(net, loader, search=nn.Module.children)


@recalibrate.misconception("Batches were weighted by their size. A norm knows nothing of it: with `momentum=None` each "
                           "batch has the same share.")
def weighs_by_size(net, loader):
    batches = list(loader)
    sums, total = {}, sum(len(x) for x, _ in batches)
    for x, y in batches:
        _recalibrate(net, [(x, y)])
        for name, norm in _norms(net).items():
            old = sums.get(name, (0, 0))
            sums[name] = old[0] + len(x) * norm.running_mean, old[1] + len(x) * norm.running_var
    for name, norm in _norms(net).items():
        norm.running_mean.copy_(sums[name][0] / total)
        norm.running_var.copy_(sums[name][1] / total)
        norm.num_batches_tracked.fill_(len(batches))


@recalibrate.misconception("The loader was looped over more than once. One pass is enough for a plain average, and a "
                           "loader that gives each batch only once has nothing left for a second.")
def goes_round_twice(net, loader):
    _recalibrate(net, loader)
    _recalibrate(net, loader)


@recalibrate.misconception("An optimizer stepped, or weights were written: the net is to be measured, not trained.")
def trains_on_the_way(net, loader):
    batches = list(loader)
    _recalibrate(net, batches)
    modes = {module: module.training for module in net.modules()}
    for x, y in batches:
        F.cross_entropy(net.eval()(x), y).backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= 0.01 * parameter.grad
    for module, mode in modes.items():
        module.training = mode


@recalibrate.misconception("PyTorch's `update_bn` did the work. It leaves dropout on and gives the whole net one mode; "
                           "the task asks for your own.")
def lets_pytorch_update(net, loader):
    swa_utils.update_bn(loader, net)


@recalibrate.misconception("A parameter that came frozen is free now: `requires_grad` was set for all of them. "
                           "`torch.no_grad()` spares the graph; leave `requires_grad` as it was.", literal=True)
def sets_all_free(net, loader):
    _recalibrate(net, loader)
    net.requires_grad_(True)


@recalibrate.misconception("A norm that came with `momentum=None` got 0.1 back (`momentum or 0.1`, `if momentum`). "
                           "None is a setting like any other.", literal=True)
def takes_none_for_a_tenth(net, loader):
    _recalibrate(net, loader)
    for norm in _norms(net).values():
        norm.momentum = norm.momentum or 0.1


@recalibrate.misconception("`reset_parameters()` sets γ and β back, too, and with them all that the norms have "
                           "learned. Only the statistics are to be measured anew: `reset_running_stats()`.")
def resets_the_parameters(net, loader):
    for norm in _norms(net).values():
        norm.reset_parameters()
    _recalibrate(net, loader)


@recalibrate.misconception("All pictures went through the net as one batch. The statistics are to be the average of "
                           "what the batches had, and their number the counter.")
def makes_one_batch(net, loader):
    _recalibrate(net, [(torch.cat([x for x, _ in loader]), None)])


@recalibrate.misconception("The statistics start anew, but the counter goes on from its old number, and so the "
                           "batches get shares that are too small: it goes back to 0, too.")
def keeps_the_counter(net, loader):
    counts = {norm: int(norm.num_batches_tracked) for norm in _norms(net).values()}
    modes = {module: module.training for module in net.modules()}
    momenta = {norm: norm.momentum for norm in counts}
    net.eval()
    for norm, count in counts.items():
        norm.reset_running_stats()
        norm.num_batches_tracked.fill_(count)
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        for x, _ in loader:
            net(x)
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    for module, mode in modes.items():
        module.training = mode


@recalibrate.misconception("Gradients were switched off and never on again: nothing can be trained after this. A `with "
                           "torch.no_grad():` block ends by itself.", literal=True)
def switches_gradients_off(net, loader):
    torch.set_grad_enabled(False)
    _recalibrate(net, loader)


@recalibrate.misconception("The k-th batch got the share 1/(k + 1): the start, 0 and 1, counts as a batch of its own. "
                           "The first batch has the share 1.")
def counts_the_start(net, loader):
    norms = _norms(net).values()
    averages = {norm: norm.momentum for norm in norms}
    _recalibrate(net, _sharing(norms, loader))
    for norm, momentum in averages.items():
        norm.momentum = momentum


def _sharing(norms, loader):
    """The batches; before each, every norm is told a share that counts the start."""
    for number, batch in enumerate(loader, 2):
        for norm in norms:
            norm.momentum = 1 / number
        yield batch


@recalibrate.misconception("Only the first batch was measured. The statistics are the average over all batches.")
def measures_the_first_batch(net, loader):
    _recalibrate(net, [next(iter(loader))])


@recalibrate.misconception("Only the last batch counts: the reset stands inside the loop, or the momentum is 1. The "
                           "statistics are the average over all batches.")
def keeps_the_last_batch(net, loader):
    _recalibrate(net, loader, share=1.0)


@recalibrate.misconception("Norms that came in evaluation mode were passed over. Every norm is measured, and has its "
                           "mode back afterwards.", literal=True)
def passes_over_frozen_norms(net, loader):
    _recalibrate(net, loader, measured=lambda norm: norm.training)


@recalibrate.misconception("The statistics of the net are as before. Measure in the net that was given, not in a copy, "
                           "and let its norms be in training mode while the batches go through.")
def measures_a_copy(net, loader):
    """As an answer does that works on a copy, or never calls the net."""


@recalibrate.misconception("`num_batches_tracked` was put back to 0 at the end. It says how many batches the "
                           "statistics come from: reset before the pass, not after it.", literal=True)
def resets_the_counter_at_the_end(net, loader):
    _recalibrate(net, loader)
    for norm in _norms(net).values():
        norm.num_batches_tracked.zero_()


@recalibrate.alternative
def by_hand_without_reset(net, loader):
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    before = [(module, module.training) for module in net.modules()]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.running_mean.zero_()
        norm.running_var.fill_(1)
        norm.num_batches_tracked.zero_()
    for module, _ in before:
        module.training = module in norms
    try:
        with torch.inference_mode():
            for number, (x, _) in enumerate(loader, 1):
                for norm in norms:
                    norm.momentum = 1 / number
                net(x)
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for module, mode in before:
            module.training = mode


@recalibrate.alternative
def by_hooks(net, loader):
    modes, sums, handles = [module.training for module in net.modules()], {}, []

    def note(norm, inputs, output):
        flat = inputs[0].transpose(0, 1).flatten(1)
        mean, var = sums.get(norm, (0, 0))
        sums[norm] = mean + flat.mean(1), var + flat.var(1)

    net.eval()
    norms = list(_norms(net).values())
    old = {norm: (norm.momentum, norm.train()) for norm in norms}
    handles = [norm.register_forward_hook(note) for norm in norms]
    count = 0
    with torch.no_grad():
        for x, _ in loader:
            net(x)
            count += 1
    for handle in handles:
        handle.remove()
    for norm in norms:
        norm.running_mean.copy_(sums[norm][0] / count)
        norm.running_var.copy_(sums[norm][1] / count)
        norm.num_batches_tracked.fill_(count)
        norm.momentum = old[norm][0]
    for module, mode in zip(net.modules(), modes, strict=True):
        module.training = mode


@recalibrate.alternative
@torch.no_grad()
def by_apply(net, loader):
    kept = {module: (module.training, getattr(module, "momentum", None)) for module in net.modules()}

    def prepare(module):
        module.training = isinstance(module, _NORMS)
        if module.training:
            module.reset_running_stats()
            module.momentum = None

    net.apply(prepare)
    for images, *_ in loader:
        net(images)
    for module, (mode, momentum) in kept.items():
        module.training = mode
        if isinstance(module, _NORMS):
            module.momentum = momentum
