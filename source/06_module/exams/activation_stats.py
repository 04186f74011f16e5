"""How `activation_stats` is examined."""

import copy

import torch
from torch import nn

from convcraft.exam import aspect, error_of, exercise, nets

from .shared import _equal, _modes, _state


def plain_stats(net, x, numbers=None, leaves=True, restore=True):
    """Mean, standard deviation and share of zeros of each leaf's output; the net is as it was afterwards."""
    numbers = numbers or _numbers
    found, handles, kept = {}, [], _state(net)

    def listener(name):
        def hook(module, inputs, output):
            found[name] = numbers(output)
        return hook

    try:
        for name, module in net.named_modules():
            if name and (not leaves or not list(module.children())):
                handles.append(module.register_forward_hook(listener(name)))
        with torch.no_grad():
            net(x)
    finally:
        for handle in handles:
            handle.remove()
        if restore:
            net.load_state_dict(kept)
    return found


def _numbers(output):
    output = output.detach()
    return output.mean().item(), output.std(correction=0).item(), (output == 0).float().mean().item()


class _Held(nn.Module):
    """A container that is no `nn.Sequential`."""

    def __init__(self, held):
        super().__init__()
        self.held = held

    def forward(self, x):
        return self.held(x)


class _Net(nn.Module):
    """Leaves at two depths, one that works twice, one that never works, one that writes over what it is given."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(inplace=True))
        self.body = _Held(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()))
        self.act = nn.LeakyReLU(0.3)
        self.unused = nn.Linear(2, 2)
        self.head = nn.Linear(4, 3)
        self.graphs = nets.Log()  # of each call, whether it could be differentiated

    def forward(self, x):
        self.graphs.append(torch.is_grad_enabled())
        return self.head(self.act(self.act(self.body(self.stem(x))) - 1).amax((2, 3)))


def _shown(stats):
    """The numbers by name; what is no triple of floats is shown with its class."""
    return {name: [float(number) for number in triple] if isinstance(triple, (tuple, list)) else type(triple).__name__
            for name, triple in dict(stats).items()}


def _recorded(stats):
    return {"triples were found": any(isinstance(triple, (tuple, list)) for triple in dict(stats).values())}


def _hooks(net):
    return sum(len(module._forward_hooks) for module in net.modules())


@exercise(points=5, reference=plain_stats)
def activation_stats(impl, draw):
    def row(*layers):
        return draw.fill_(nn.Sequential(*layers))

    def numbers():
        net = row(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 9), nn.ReLU(), nn.Tanh())
        with torch.no_grad():
            for parameter in net[4].parameters():
                parameter *= 1e-10  # small, and no zeros
        shown = impl(net, 2 * draw.normal(7, 6) + 1)
        kinds = {type(number).__name__ for triple in dict(shown).values() for number in triple}
        return {"statistics": _shown(shown), "numbers are": ", ".join(sorted(kinds))}

    def leaves():
        return sorted(dict(impl(draw.fill_(_Net()), draw.normal(2, 1, 6, 6))))

    def last():
        found = _shown(impl(draw.fill_(_Net()), draw.normal(3, 1, 6, 6)))
        return {name: found.get(name, "is missing") for name in ("stem.0", "act")}

    def untouched():
        net = row(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 2))
        net[2].eval()
        before, modes, x = _state(net), _modes(net), draw.normal(7, 6)
        given = x.clone()
        found = _recorded(impl(net, x))
        counter = "1.num_batches_tracked"
        counts = [int(state[counter]) for state in (before, net.state_dict())]
        with torch.no_grad():
            net.state_dict()[counter].copy_(before[counter])  # it is told apart from the rest
        return found | {"numbers, running statistics too": _equal(net, before),
                        "batches that were counted": counts[1] - counts[0], "modes": _modes(net) == modes,
                        "x": torch.equal(x, given)}

    def mode():
        net = row(nn.Linear(6, 5), nn.BatchNorm1d(5))
        x = draw.normal(7, 6)
        training = _shown(impl(net, x))
        return {"in train mode": training.get("1"), "in eval mode": _shown(impl(net.eval(), x)).get("1")}

    def once():
        net = draw.fill_(_Net())
        found = _recorded(impl(net, draw.normal(2, 1, 6, 6)))
        return found | {"runs": len(net.graphs), "a graph was built": any(net.graphs),
                        "gradients are on afterwards": torch.is_grad_enabled()}

    def removed():
        net = draw.fill_(_Net())
        found = _recorded(impl(net, draw.normal(2, 1, 6, 6)))
        left = _hooks(net)
        raised = error_of(lambda: impl(net, draw.normal(2, 3, 6, 6)), RuntimeError)
        return found | {"hooks left": left, "the error comes through": raised,
                        "hooks left after it": _hooks(net) - left}

    yield aspect("numbers",
                 "The three are the mean, the standard deviation (divided by n) and the share of exact zeros, between "
                 "0 and 1, of all numbers of its output: Python floats.",
                 numbers, weight=2)
    yield aspect("leaves",
                 "A layer is a module inside `net` that has no children and works; its key is its qualified name.",
                 leaves)
    yield aspect("as it came out",
                 "The numbers are those that the layer gave, also where a later layer writes over them in place; a "
                 "layer that works twice has those of its last output.",
                 last)
    yield aspect("its mode",
                 "The net runs in the modes in which it comes: a BatchNorm in train mode uses the batch.",
                 mode)
    yield aspect("moves nothing",
                 "Looking moves nothing: parameters, modes, `x` and the running statistics of a BatchNorm in train "
                 "mode are afterwards what they were.",
                 untouched)
    yield aspect("once",
                 "`net(x)` runs once, and no graph is built.",
                 once)
    yield aspect("hooks",
                 "No hook is left, also where the net raises, and then the error comes through.",
                 removed)


@activation_stats.misconception("The standard deviation is divided by n − 1, as `std()` does where it is not told "
                                "otherwise. The task divides by n.")
def divides_by_n_minus_1(net, x):
    return plain_stats(net, x, lambda y: (y.mean().item(), y.std().item(), (y == 0).float().mean().item()))


@activation_stats.misconception("The second number is the variance. The standard deviation, its root, has the unit of "
                                "the activations.")
def gives_the_variance(net, x):
    return plain_stats(net, x, lambda y: (y.mean().item(), y.var(correction=0).item(), (y == 0).float().mean().item()))


@activation_stats.misconception("The third number counts what is not above 0. A negative number is none of the zeros: "
                                "what a ReLU has switched off is exactly 0.")
def counts_negatives(net, x):
    return plain_stats(net, x, lambda y: (y.mean().item(), y.std(correction=0).item(), (y <= 0).float().mean().item()))


@activation_stats.misconception("The zeros were counted, not their share. Divide by the number of numbers: layers of "
                                "different sizes can then be compared.")
def counts_zeros(net, x):
    return plain_stats(net, x, lambda y: (y.mean().item(), y.std(correction=0).item(), float((y == 0).sum())))


@activation_stats.misconception("The first number is the mean of the absolute values. A mean near 0 is what is to be "
                                "seen: let signs cancel.")
def takes_absolute_values(net, x):
    return plain_stats(net, x, lambda y: (y.abs().mean().item(), *_numbers(y)[1:]))


@activation_stats.misconception("The three are tensors. `.item()` makes a Python float of one, which holds no memory "
                                "and prints as a number.", literal=True)
def gives_tensors(net, x):
    return plain_stats(net, x, lambda y: (y.mean(), y.std(correction=0), (y == 0).float().mean()))


@activation_stats.misconception("Containers are listed, too. Their output is that of their last layer: take the "
                                "modules without children.")
def lists_containers(net, x):
    return plain_stats(net, x, leaves=False)


@activation_stats.misconception("Only the direct children were looked at. `named_modules()` goes all the way down.")
def looks_one_level_down(net, x):
    direct = {name for name, _ in net.named_children()}
    return {name: triple for name, triple in plain_stats(net, x, leaves=False).items() if name in direct}


@activation_stats.misconception("The outputs were kept, and counted after the net had run. A later layer may have "
                                "written over them, as `nn.ReLU(inplace=True)` does: count inside the hook.")
def counts_afterwards(net, x):
    return {name: _numbers(output) for name, output in plain_stats(net, x, lambda output: output).items()}


@activation_stats.misconception("The running statistics have moved. In train mode a BatchNorm learns from whatever "
                                "passes, your look included: put the state back.", literal=True)
def moves_the_statistics(net, x):
    return plain_stats(net, x, restore=False)


@activation_stats.misconception("The net ran in eval mode. Then a BatchNorm shows what it would do later, not what it "
                                "does to this batch: run the net as it comes.")
def looks_in_eval_mode(net, x):
    modes = {module: module.training for module in net.modules()}
    net.eval()
    try:
        return plain_stats(net, x)
    finally:
        for module, mode in modes.items():
            module.training = mode


@activation_stats.misconception("A graph was built. Looking needs no gradients: `torch.no_grad()` spares the memory.",
                                literal=True)
def builds_a_graph(net, x):
    found, handles, kept = {}, [], _state(net)
    try:
        for name, module in net.named_modules():
            if name and not list(module.children()):
                handles.append(module.register_forward_hook(
                    lambda module, inputs, output, name=name: found.update({name: _numbers(output)})))
        net(x)
    finally:
        for handle in handles:
            handle.remove()
        net.load_state_dict(kept)
    return found


@activation_stats.misconception("When the net raises, your hooks stay on it: what removes them stands behind `net(x)` "
                                "and is never reached. It belongs into a `finally`.", literal=True)
def removes_them_if_all_goes_well(net, x):
    found, handles, kept = {}, [], _state(net)
    for name, module in net.named_modules():
        if name and not list(module.children()):
            handles.append(module.register_forward_hook(
                lambda module, inputs, output, name=name: found.update({name: _numbers(output)})))
    with torch.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    net.load_state_dict(kept)
    return found


@activation_stats.misconception("The third number counts what is nearly zero. A layer whose numbers are all small "
                                "has no zeros: what a ReLU has switched off is exactly 0.")
def counts_small_numbers(net, x):
    def numbers(output):
        return *_numbers(output)[:2], (output.abs() < 1e-8).float().mean().item()
    return plain_stats(net, x, numbers)


@activation_stats.misconception("The third number is in per cent. Asked for is a share between 0 and 1.")
def gives_per_cent(net, x):
    def numbers(output):
        mean, std, share = _numbers(output)
        return mean, std, 100 * share
    return plain_stats(net, x, numbers)


@activation_stats.misconception("A layer that works twice has the numbers of its first output. The last one was "
                                "asked for: each call writes over what the one before has left.")
def keeps_the_first_output(net, x):
    seen = {}

    def listener(name):
        def hook(module, inputs, output):
            seen.setdefault(name, _numbers(output))
        return hook

    names = {name: module for name, module in net.named_modules() if name and not list(module.children())}
    handles = [module.register_forward_hook(listener(name)) for name, module in names.items()]
    try:
        plain_stats(net, x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


@activation_stats.misconception("The running mean and variance are as before, but `num_batches_tracked` has counted "
                                "your look. It is state, too: put back all of it.", literal=True)
def leaves_its_count(net, x):
    result = plain_stats(net, x)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d) and module.training:
            module.num_batches_tracked += 1
    return result


@activation_stats.misconception("All hooks write under one name, the last: a function made in a loop reads the loop's "
                                "variable when it is called, not before. Hand it over: `name=name`.")
def writes_under_the_last_name(net, x):
    names = [name for name, module in net.named_modules() if name and not list(module.children())]
    triples = plain_stats(net, x)
    return {names[-1]: list(triples.values())[-1]}


@activation_stats.misconception("The net ran in a mode of your choice, and not every module has its own back. Leave "
                                "`eval()` and `train()` out: it runs in the modes in which it comes.", literal=True)
def leaves_it_in_eval_mode(net, x):
    return plain_stats(net.eval(), x)


@activation_stats.misconception("The third number is the share of what is not 0. Asked for is the share of zeros, one "
                                "minus that.")
def counts_what_is_left(net, x):
    def numbers(output):
        mean, std, share = _numbers(output)
        return mean, std, 1 - share
    return plain_stats(net, x, numbers)


@activation_stats.misconception("Your hooks are still on the net. Keep the handles that `register_forward_hook` "
                                "gives, and `remove()` each.", literal=True)
def leaves_its_hooks(net, x):
    found, kept = {}, _state(net)
    for name, module in net.named_modules():
        if name and not list(module.children()):
            module.register_forward_hook(
                lambda module, inputs, output, name=name: found.update({name: _numbers(output)}))
    with torch.no_grad():
        net(x)
    net.load_state_dict(kept)
    return found


@activation_stats.alternative
def on_a_copy(net, x):
    twin, found = copy.deepcopy(net), {}
    for name, module in twin.named_modules():
        if name and next(module.children(), None) is None:
            module.register_forward_hook(lambda m, i, o, name=name: found.__setitem__(name, (
                float(o.mean()), float(o.var(correction=0).sqrt()), 1 - o.count_nonzero().item() / o.numel())))
    with torch.no_grad():
        twin(x)
    return found


@activation_stats.alternative
def with_buffers_put_back(net, x):
    buffers = [(buffer, buffer.clone()) for buffer in net.buffers()]
    found, handles = {}, []

    def hook_for(name):
        def hook(_, __, output):
            values = output.double().flatten()
            mean = values.mean()
            spread = (values - mean).square().mean().sqrt()
            found[name] = mean.item(), spread.item(), (values == 0).double().mean().item()
        return hook

    handles = [module.register_forward_hook(hook_for(name)) for name, module in net.named_modules()
               if name and len(list(module.children())) == 0]
    try:
        with torch.inference_mode():
            net(x)
    finally:
        for handle in handles:
            handle.remove()
        for buffer, before in buffers:
            buffer.copy_(before)
    return found


@activation_stats.alternative
@torch.no_grad()
def by_names_of_modules(net, x):
    state = copy.deepcopy(net.state_dict())
    leaves = {module: name for name, module in net.named_modules() if name and not module._modules}
    found, handles = {}, []

    def hook(module, inputs, output):
        found[leaves[module]] = (output.mean().item(), output.std(unbiased=False).item(),
                                 output.eq(0).sum().item() / output.numel())

    try:
        handles += [module.register_forward_hook(hook) for module in leaves]
        net(x)
        return found
    finally:
        [handle.remove() for handle in handles]
        net.load_state_dict(state)
