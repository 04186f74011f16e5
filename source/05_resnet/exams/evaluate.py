"""How `evaluate` is examined."""

import copy

import torch
from torch import nn

from convcraft.exam import aspect, exercise, nets

from .shared import _plain, _Watched


def _accuracy(net, loader):
    modes = {module: module.training for module in net.modules()}
    net.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    for module, mode in modes.items():
        module.training = mode
    return right / count


def _labelled(draw, net, right, *counts):
    """Batches of which the net, in evaluation mode, gets just so many right: `right` of each in turn."""
    net.eval()
    batches = []
    for count, hits in zip(counts, right, strict=True):
        x = draw.normal(count, 1, 2, 3)
        with torch.no_grad():
            y = net(x).argmax(1)
        y[hits:] = (y[hits:] + 1 + draw.integers(0, 3, count - hits)) % 4
        batches.append((x, y))
    net.modes.clear(), net.graphs.clear()
    return batches


def _of_one_mind(net):
    """It gives the same class to every picture, in either mode: here the mode in which it measures is not asked for."""
    nn.init.zeros_(net.fc.weight)
    return net


def _modes(net):
    return {name or "the net": module.training for name, module in net.named_modules()}


@exercise(points=8, reference=_accuracy)
def evaluate(impl, draw):
    def accuracy():
        net = draw.fill_(_Watched())
        return [_plain(nets.fitting(impl, net, _labelled(draw, net, right, *counts)))
                for right, counts in (((7, 5, 1), (9, 9, 2)), ((6, 1), (8, 3)), ((2, 6, 3), (5, 7, 4)),
                                      ((4, 4), (11, 6)), ((1, 5, 2), (6, 6, 7)), ((3, 1), (10, 3)))]

    def mode():
        net = draw.fill_(_Watched(dropout=0.5))
        batches = _labelled(draw, net, (7, 3), 9, 9)
        result = _plain(nets.fitting(impl, net.train(), batches))
        seen = {"result": result, "in training mode, batch by batch": list(net.modes),
                "norm.running_mean": net.norm.running_mean.clone(),
                "norm.num_batches_tracked": net.norm.num_batches_tracked.clone()}
        net.eval().norm.train()
        return {**seen, "the norm alone came in training mode": _plain(nets.fitting(impl, net, batches)),
                "norm.running_mean then": net.norm.running_mean}

    def restored():
        net = _of_one_mind(draw.fill_(_Watched()))
        batches = _labelled(draw, net, (5, 1), 6, 6)
        training = net.train()
        seen = {"came in training mode": _plain(nets.fitting(impl, training, batches)),
                "training afterwards": _modes(net)}
        net.eval()
        return {**seen, "came in evaluation mode": _plain(nets.fitting(impl, net, batches)),
                "training after that": _modes(net)}

    def frozen():
        net = _of_one_mind(draw.fill_(_Watched()))
        batches = _labelled(draw, net, (4, 3), 7, 7)
        seen = {}
        for mode in (True, False):
            for parts, names in (((net.norm, net.fc), "the norm and the last layer"), ((net.norm,), "the norm"),
                                 ((net.fc,), "the last layer")):
                net.train(mode)
                for part in parts:
                    part.train(not mode)
                name = f"{names} frozen" if mode else f"{names} alone in training mode"
                seen |= {name: _plain(nets.fitting(impl, net, batches)), f"{name}, training afterwards": _modes(net)}
        return seen

    def graph():
        net = draw.fill_(_Watched())
        batches = _labelled(draw, net, (2, 2, 4), 5, 5, 5)
        net.fc.bias.requires_grad_(False)
        seen = {"result": _plain(nets.fitting(impl, net, batches)),
                "graph built, batch by batch": list(net.graphs), "gradients on afterwards": torch.is_grad_enabled(),
                "require gradients": [parameter.requires_grad for parameter in net.parameters()]}
        with torch.no_grad():
            nets.fitting(impl, net, batches)
            return {**seen, "gradients on afterwards, where they were off": torch.is_grad_enabled()}

    def floating():
        net = draw.fill_(_Watched())
        result = nets.fitting(impl, net, (batch for batch in _labelled(draw, net, (6, 3), 8, 8)))
        return {"result": result, "pictures were seen": bool(net.modes)}

    yield aspect("accuracy", "The result is the share of all pictures whose largest output is at the label, between 0 "
                 "and 1.", accuracy)
    yield aspect("evaluation mode", "It measures in evaluation mode: no dropout, running statistics used and left "
                 "alone.", mode)
    yield aspect("mode put back", "Afterwards the net is in the mode in which it came, training or evaluation.",
                 restored)
    yield aspect("frozen parts", "Every submodule gets its own mode back: a norm that was frozen on purpose stays "
                 "frozen.", frozen)
    yield aspect("no graph", "No graph is built while it measures; afterwards gradients are on or off as before.",
                 graph)
    yield aspect("float", "It returns a Python float, and `loader` is any iterable of pairs (x, y).", floating)


@evaluate.misconception("The net is left in evaluation mode. The next epoch would train with frozen norms and without "
                        "dropout: put back what was there.")
def leaves_eval_mode_on(net, loader):
    net.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    return right / count


@evaluate.misconception("The net was measured in training mode. Norms then use the batch, so a picture's answer "
                        "depends on its neighbours, and the running statistics change.")
def measures_in_training_mode(net, loader):
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    return right / count


@evaluate.misconception("The net is always put into training mode at the end. One that came in evaluation mode must "
                        "leave in it.")
def ends_in_training_mode(net, loader):
    result = leaves_eval_mode_on(net, loader)
    net.train()
    return result


@evaluate.misconception("A part of the net is not in the mode in which it came. `train(mode)` gives one mode to all "
                        "parts, and a norm that was frozen on purpose is thawed: put back each module's own.")
def remembers_one_mode(net, loader):
    mode = net.training
    result = leaves_eval_mode_on(net, loader)
    net.train(mode)
    return result


@evaluate.misconception("The batches' accuracies were averaged. A small last batch then counts as much as a full one: "
                        "count right answers and pictures.")
def averages_accuracies(net, loader):
    shares = [_accuracy(net, [batch]) for batch in loader]
    return sum(shares) / len(shares)


@evaluate.misconception("The accuracy is given in per cent. Asked for is a share between 0 and 1.")
def gives_per_cent(net, loader):
    return 100 * _accuracy(net, loader)


@evaluate.misconception("This counts the right answers but does not divide by the number of pictures.")
def gives_the_count(net, loader):
    batches = list(loader)
    return float(round(_accuracy(net, batches) * sum(len(y) for _, y in batches)))


@evaluate.misconception("This is the share of mistakes. Asked for is the share of right answers.")
def gives_the_error(net, loader):
    return 1 - _accuracy(net, loader)


@evaluate.misconception("The graph is built while measuring: nobody will call `backward()`, and the memory is wasted. "
                        "Use `torch.no_grad()`.", literal=True)
def builds_the_graph(net, loader):
    modes = {module: module.training for module in net.modules()}
    net.eval()
    right, count = 0, 0
    for x, y in loader:
        right += (net(x).argmax(1) == y).sum().item()
        count += len(y)
    for module, mode in modes.items():
        module.training = mode
    return right / count


@evaluate.misconception("Gradients were switched off with `set_grad_enabled(False)` and never switched on again: "
                        "nothing can be trained after this. A `with torch.no_grad():` block ends by itself.",
                        literal=True)
def switches_gradients_off(net, loader):
    torch.set_grad_enabled(False)
    return _accuracy(net, loader)


@evaluate.misconception("The result is a tensor. A plain number can be printed, stored and compared anywhere: "
                        "`.item()`.", literal=True)
def gives_a_tensor(net, loader):
    return torch.tensor(_accuracy(net, loader))


@evaluate.misconception("The number of pictures was asked of `len(loader.dataset)`. A loader need not have one: count "
                        "the labels as they come.")
def asks_for_a_dataset(net, loader):
    net.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
    net.train()
    return right / len(loader.dataset)


@evaluate.misconception("The last batch alone was counted: the counters start again with every batch.")
def counts_the_last_batch(net, loader):
    return [_accuracy(net, [batch]) for batch in loader][-1]


@evaluate.misconception("The largest output was looked for along axis 0, among the pictures. Each picture has a row of "
                        "outputs: look along its classes.")
def looks_along_the_batch(net, loader):
    net.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(0) == y).sum().item()
            count += len(y)
    return right / count


@evaluate.misconception("The right answers were divided by `len(loader)`, the number of batches. Divide by the number "
                        "of pictures, and count them as they come: a loader need not know its length.")
def divides_by_the_batches(net, loader):
    modes = {module: module.training for module in net.modules()}
    net.eval()
    right = 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
    for module, mode in modes.items():
        module.training = mode
    return right / len(loader)


@evaluate.misconception("The modes of the net's parts were put back, but not its own: `children()` leaves out the net "
                        "itself and all that is deeper. `modules()` has them all.", literal=True)
def remembers_the_children(net, loader):
    modes = {module: module.training for module in net.children()}
    result = leaves_eval_mode_on(net, loader)
    for module, mode in modes.items():
        module.training = mode
    return result


@evaluate.misconception("The direct parts have their mode back, what lies deeper, a norm inside a block, has not. "
                        "`train(mode)` passes one mode down: put back that of every module.", literal=True)
def remembers_one_level(net, loader):
    mode, modes = net.training, {child: child.training for child in net.children()}
    result = leaves_eval_mode_on(net, loader)
    net.training = mode
    for child, its_mode in modes.items():
        child.train(its_mode)
    return result


@evaluate.misconception("The norms alone were put into evaluation mode. Dropout has two modes, too: `net.eval()` "
                        "reaches every part.")
def puts_the_norms_alone_to_rest(net, loader):
    modes = {module: module.training for module in net.modules()}
    for module in modes:
        module.training = module.training and not isinstance(module, nn.modules.batchnorm._BatchNorm)
    result = measures_in_training_mode(net, loader)
    for module, mode in modes.items():
        module.training = mode
    return result


@evaluate.misconception("The loader was looped over twice. One that gives each batch only once has nothing left the "
                        "second time: count pictures and right answers in one loop.", literal=True)
def counts_in_a_loop_of_its_own(net, loader):
    count = sum(len(y) for _, y in loader)
    batches = list(loader)
    return _accuracy(net, batches) * sum(len(y) for _, y in batches) / count if batches else 0.0


@evaluate.misconception("`return` stands inside the loop, or the loop breaks off: only the first batch was counted.")
def counts_the_first_batch(net, loader):
    return _accuracy(net, [next(iter(loader))])


@evaluate.misconception("Evaluation mode is set only where the net's own flag says training. A part may be in "
                        "training mode in a net that is not: `net.eval()` in any case.")
def evaluates_only_a_net_that_trains(net, loader):
    modes = {module: module.training for module in net.modules()}
    if net.training:
        net.eval()
    result = measures_in_training_mode(net, loader)
    for module, mode in modes.items():
        module.training = mode
    return result


@evaluate.misconception("Gradients were switched on at the end, whoever had switched them off. Put back what was "
                        "there: a `with torch.no_grad():` block does so by itself.", literal=True)
def switches_gradients_on(net, loader):
    torch.set_grad_enabled(False)
    result = _accuracy(net, loader)
    torch.set_grad_enabled(True)
    return result


@evaluate.misconception("A parameter that came frozen requires a gradient now: `requires_grad` was set for all of "
                        "them. `torch.no_grad()` spares the graph; leave `requires_grad` alone.", literal=True)
def sets_all_free(net, loader):
    result = _accuracy(net, loader)
    net.requires_grad_(True)
    return result


def _measured(net, loader, hits, count=len):
    """A right `evaluate`, but for what counts as a hit and how many pictures there are."""
    modes = {module: module.training for module in net.modules()}
    net.eval()
    right, total = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += hits(net(x), y).sum().item()
            total += count(y)
    for module, mode in modes.items():
        module.training = mode
    return right / total


@evaluate.misconception("The smallest output was taken for the net's answer. It is the class with the largest.")
def takes_the_smallest(net, loader):
    return _measured(net, loader, lambda scores, y: scores.argmin(1) == y)


@evaluate.misconception("The largest output itself was compared with the label. Ask where it is: the place is the "
                        "class.")
def compares_the_largest_value(net, loader):
    return _measured(net, loader, lambda scores, y: scores.amax(1) == y)


@evaluate.misconception("What was averaged is the probability that softmax gives the label. A picture counts fully or "
                        "not at all: is the largest output at the label?")
def averages_probabilities(net, loader):
    return _measured(net, loader, lambda scores, y: scores.softmax(1).gather(1, y[:, None]))


@evaluate.misconception("Every batch was counted as large as the first. The last one may be smaller: count the labels "
                        "of each.")
def counts_full_batches(net, loader):
    sizes = []

    def count(y):
        sizes.append(len(y))
        return sizes[0]

    return _measured(net, loader, lambda scores, y: scores.argmax(1) == y, count)


@evaluate.misconception("Batches smaller than the first were left out. Every picture counts.")
def leaves_small_batches_out(net, loader):
    batches = list(loader)
    return _accuracy(net, [(x, y) for x, y in batches if len(x) >= len(batches[0][0])])


@evaluate.misconception("The net's own flag was set, its parts' were not: they measure in the mode in which they came. "
                        "`net.eval()` reaches every part.")
def sets_its_own_flag(net, loader):
    mode, net.training = net.training, False
    result = measures_in_training_mode(net, loader)
    net.training = mode
    return result


@evaluate.misconception("The result was rounded to two decimals. Round where you print.")
def rounds_the_result(net, loader):
    return round(_accuracy(net, loader), 2)


@evaluate.alternative
def by_inference_mode(net, loader):
    before = [module.training for module in net.modules()]
    net.train(False)
    hits = []
    with torch.inference_mode():
        for x, y in loader:
            hits.append(net(x).max(dim=1).indices.eq(y))
    for module, mode in zip(net.modules(), before, strict=True):
        module.training = mode
    return torch.cat(hits).double().mean().item()


@evaluate.alternative
def by_ranks(net, loader):
    trained = [module for module in net.modules() if module.training]
    for module in trained:
        module.training = False
    first = []
    with torch.no_grad():
        for images, labels in loader:
            order = net(images).argsort(dim=-1, descending=True)
            first += (order[:, 0] == labels).tolist()
    for module in trained:
        module.training = True
    return sum(first) / len(first)


@evaluate.alternative
@torch.no_grad()
def by_a_decorator(net, loader):
    modes = {name: module.training for name, module in net.named_modules()}
    net.eval()
    try:
        pairs = [(net(x).topk(1).indices.squeeze(1), y) for x, y in loader]
    finally:
        for name, mode in modes.items():
            net.get_submodule(name).training = mode
    guesses, labels = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return float((guesses == labels).double().mean())


@evaluate.alternative
def by_a_copy(net, loader):
    twin = copy.deepcopy(net).eval()
    hits = count = 0
    for x, y in loader:
        with torch.no_grad():
            hits += torch.count_nonzero(twin(x).argmax(-1) == y).item()
        count += y.numel()
    return hits / count
