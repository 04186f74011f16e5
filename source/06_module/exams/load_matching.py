"""How `load_matching` is examined."""

import torch
from torch import nn

from convcraft.exam import aspect, exercise, nets

from .shared import _linear, _same_objects, _state


def plain_matching(module, state_dict):
    """Load what fits by name and shape; say what did not."""
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    common = [name for name in own if name in state_dict]
    mismatched = [name for name in common if own[name].shape != state_dict[name].shape]
    for name in common:
        if name not in mismatched:
            own[name].copy_(state_dict[name])
    return missing, unexpected, mismatched


def _donor(draw, between=nn.Tanh):
    """A trained net: a body, and a head for ten classes."""
    return draw.fill_(nn.Sequential(nn.Linear(4, 6), between(), nn.Linear(6, 10)))


def _pupil(draw, classes, between=nn.Tanh):
    """The same body, another head, and one layer more. Only where buffers are looked at has it any."""
    net = nn.Sequential(nn.Linear(4, 6), between(), nn.Linear(6, classes), nn.Linear(classes, 2, bias=False))
    with torch.no_grad():
        for tensor in net.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(draw.normal(*tensor.shape))
    return net


def _norm():
    return nn.BatchNorm1d(6)


def _kind(part):
    """What stands in place of a list of names."""
    inside = sorted({type(item).__name__ for item in part}) if isinstance(part, list) else []
    return " of ".join([type(part).__name__, *inside])


def _three(answer, kinds=(list, tuple, set)):
    """The names in each of three lists, in order; what is no list of names is shown as it is."""
    titles = ("missing", "unexpected", "mismatched")
    if not isinstance(answer, (tuple, list)) or len(answer) != len(titles):
        return dict.fromkeys(titles, f"not three lists: {type(answer).__name__}")
    return {title: ", ".join(sorted(part)) if isinstance(part, kinds) and all(isinstance(name, str) for name in part)
            else f"not a list of names: {_kind(part)}" for title, part in zip(titles, answer, strict=True)}


@exercise(points=5, reference=plain_matching)
def load_matching(impl, draw):
    def everything():
        net = _pupil(draw, 10, _norm)[:3]
        net[1].num_batches_tracked.fill_(2)
        given = _state(_donor(draw, _norm))
        given["1.num_batches_tracked"].fill_(9)
        given = dict(reversed(given.items()))
        seen = {"three lists": _three(impl(net, given)), "the net": _state(net)}
        del given["1.running_var"]
        return seen | {"without a buffer": _three(impl(net, given))}

    def another_head():
        net = _pupil(draw, 3)
        given = _state(_donor(draw)) | {"aux.weight": draw.normal(2), "aux.bias": draw.normal(3)}
        return {"three lists": _three(impl(net, given), (list,)), "the net": _state(net)}

    def whole_or_not():
        net = _pupil(draw, 6)
        net[2].scale = nn.Parameter(draw.normal(3))
        given = _state(net)
        given = {name: tensor + 1 for name, tensor in given.items()}
        given |= {"0.bias": draw.normal(1), "0.weight": draw.normal(6, 4).T.contiguous(), "2.weight": draw.normal(36),
                  "2.scale": draw.normal(1, 3), "3.weight": draw.normal(2, 1)}
        return {"three lists": _three(impl(net, given)), "the net": _state(net)}

    def nothing():
        net = nn.Sequential(_linear(draw, 4, 3), nn.Tanh(), _linear(draw, 3, 2))
        net[1].scale = nn.Parameter(draw.normal(3))
        return {"another's": _three(impl(net, {"other.weight": draw.normal(2)})), "nothing": _three(impl(net[:1], {})),
                "the net": _state(net)}

    def in_place():
        net = _pupil(draw, 10)[:3]
        net[0].weight.requires_grad_(False)
        before = list(net.parameters())
        impl(net, _state(_donor(draw)))
        (net(draw.normal(5, 4)) - draw.normal(5, 10)).square().mean().backward()
        nets.descend(before, lr=0.5)
        return {"the same parameters": _same_objects(before, list(net.parameters())),
                "require grad": [parameter.requires_grad for parameter in net.parameters()],
                "after a step": _state(net)}

    def left_alone():
        net = _pupil(draw, 3)
        given = _state(_donor(draw))
        kept = list(given)
        lists = _three(impl(net, given))
        with torch.no_grad():
            for tensor in net.state_dict().values():
                tensor.add_(draw.normal(*tensor.shape))
        return {"three lists": lists, "names in it": dict.fromkeys(given, True),
                "its numbers": {name: given[name] for name in kept if name in given}, "the net": _state(net)}

    yield aspect("all of it",
                 "Every tensor of `state_dict` whose name and shape fit is loaded, buffers included.",
                 everything)
    yield aspect("another head",
                 "It returns three lists of names: `missing`, in the module but not in `state_dict`; `unexpected`, in "
                 "`state_dict` but not in the module; `mismatched`, in both with different shapes, and then in no "
                 "other list.",
                 another_head)
    yield aspect("whole or not at all",
                 "A tensor is loaded whole or not at all: of another shape, nothing of it is loaded, even where it "
                 "would broadcast or has as many numbers.",
                 whole_or_not)
    yield aspect("nothing fits",
                 "Where nothing fits, nothing is loaded, and no error is raised.",
                 nothing)
    yield aspect("in place",
                 "The module keeps its parameters, the same objects, frozen or not, so that an optimizer that holds "
                 "them goes on working.",
                 in_place)
    yield aspect("left alone",
                 "`state_dict` is left as it was, and shares no memory with the module afterwards.",
                 left_alone)


@load_matching.misconception("What did not fit in shape was filtered out and then reported as missing, too. It is in "
                             "both and does not fit: it belongs into `mismatched` alone.")
def calls_mismatches_missing(module, state_dict):
    own = module.state_dict()
    mismatched = [name for name in state_dict if name in own and own[name].shape != state_dict[name].shape]
    fitting = {name: tensor for name, tensor in state_dict.items() if name not in mismatched}
    missing, unexpected = module.load_state_dict(fitting, strict=False)
    return list(missing), list(unexpected), mismatched


@load_matching.misconception("`strict=False` forgives names, not shapes: another shape still raises a RuntimeError. "
                             "Take the tensors of another shape out yourself.")
def trusts_strict_false(module, state_dict):
    missing, unexpected = module.load_state_dict(state_dict, strict=False)
    return list(missing), list(unexpected), []


@load_matching.misconception("Only parameters were loaded. The buffers belong to the state as well: without its "
                             "running mean and variance a BatchNorm taken over from another net computes something "
                             "else.")
def passes_buffers_over(module, state_dict):
    own = module.state_dict()
    mine = dict(module.named_parameters())
    mismatched = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    for name in mine:
        if name in state_dict and name not in mismatched:
            own[name].copy_(state_dict[name])
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("Only parameters were looked at (`named_parameters()`): buffers were not loaded, and "
                             "their names in `state_dict` were called unexpected. `state_dict()` has both.")
def knows_parameters_alone(module, state_dict):
    own = {name: parameter.detach() for name, parameter in module.named_parameters()}
    mismatched = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    for name in own:
        if name in state_dict and name not in mismatched:
            own[name].copy_(state_dict[name])
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("`mismatched` holds more than names, the shapes for instance. The task asks for three "
                             "lists of names.")
def tells_the_shapes_too(module, state_dict):
    missing, unexpected, mismatched = plain_matching(module, state_dict)
    own = module.state_dict()
    return missing, unexpected, [(name, own[name].shape, state_dict[name].shape) for name in mismatched]


@load_matching.misconception("Only the first size was compared. (6, 4) and (6, 9) begin alike and do not fit: compare "
                             "the whole shape.")
def compares_the_first_size(module, state_dict):
    own = module.state_dict()
    mismatched = []
    for name in own:
        if name in state_dict:
            if own[name].shape[:1] != state_dict[name].shape[:1]:
                mismatched.append(name)
            else:
                own[name].copy_(state_dict[name])
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("The shapes were left to `copy_`, which broadcasts: a bias of one number fills all of "
                             "them. Compare the shapes themselves.")
def lets_it_broadcast(module, state_dict):
    own = module.state_dict()
    mismatched = []
    for name, tensor in own.items():
        if name in state_dict:
            try:
                tensor.copy_(state_dict[name])
            except RuntimeError:
                mismatched.append(name)
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("The number of numbers was compared, not the shape. A 4×6 matrix poured into a 6×4 one "
                             "fits and means nothing.")
def compares_numel(module, state_dict):
    own = module.state_dict()
    mismatched = [name for name in own if name in state_dict and own[name].numel() != state_dict[name].numel()]
    for name in own:
        if name in state_dict and name not in mismatched:
            own[name].copy_(state_dict[name].reshape(own[name].shape))
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("Of a tensor of another shape the part that fits was copied. Half of an old head under "
                             "half of a new one is no head: whole or not at all.")
def loads_the_overlap(module, state_dict):
    own = module.state_dict()
    mismatched = []
    for name, tensor in own.items():
        if name not in state_dict:
            continue
        if tensor.shape != state_dict[name].shape:
            mismatched.append(name)
            if tensor.ndim == state_dict[name].ndim:
                part = tuple(slice(min(sizes)) for sizes in zip(tensor.shape, state_dict[name].shape, strict=True))
                tensor[part] = state_dict[name][part]
        else:
            tensor.copy_(state_dict[name])
    return ([name for name in own if name not in state_dict], [name for name in state_dict if name not in own],
            mismatched)


@load_matching.misconception("`missing` and `unexpected` are exchanged. Missing is what the module wants and does not "
                             "get; unexpected is what it gets and does not want.")
def exchanges_the_lists(module, state_dict):
    missing, unexpected, mismatched = plain_matching(module, state_dict)
    return unexpected, missing, mismatched


@load_matching.misconception("The tensors were paired by their places (`zip`), not by their names. In a dictionary the "
                             "name tells what belongs where; the order may be another.")
def pairs_by_place(module, state_dict):
    missing, unexpected, mismatched = tells_and_does_not_load(module, state_dict)
    for tensor, given in zip(module.state_dict().values(), state_dict.values(), strict=False):
        if tensor.shape == given.shape:
            tensor.copy_(given)
    return missing, unexpected, mismatched


@load_matching.misconception("What did not fit in shape is among the unexpected names, too. The module does have the "
                             "name: it belongs into `mismatched` alone.")
def calls_mismatches_unexpected(module, state_dict):
    missing, unexpected, mismatched = plain_matching(module, state_dict)
    return missing, unexpected + mismatched, mismatched


@load_matching.misconception("New `nn.Parameter`s were put where the old ones stood. They require grad even where the "
                             "old ones were frozen, and an optimizer that was made before does not know them: copy.")
def makes_new_parameters(module, state_dict):
    own = module.state_dict()
    for name, tensor in state_dict.items():
        if name in own and own[name].shape == tensor.shape:
            *way, last = name.split(".")
            part = module.get_submodule(".".join(way))
            if last in part._parameters:
                setattr(part, last, nn.Parameter(tensor.clone()))
            else:
                part._buffers[last].copy_(tensor)
    return tells_and_does_not_load(module, state_dict)


@load_matching.misconception("As soon as one name does not fit, nothing at all is loaded. Transfer learning takes what "
                             "fits and leaves the rest.")
def loads_all_or_nothing(module, state_dict):
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    mismatched = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    if not missing and not unexpected and not mismatched:
        module.load_state_dict(state_dict)
    return missing, unexpected, mismatched


@load_matching.misconception("The lists are there, but nothing was loaded. What fits by name and shape goes into the "
                             "module.")
def tells_and_does_not_load(module, state_dict):
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    mismatched = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    return missing, unexpected, mismatched


@load_matching.misconception("The names were taken out of the caller's `state_dict` (`pop` or `del`). It is the "
                             "caller's: build a dictionary of your own.", literal=True)
def empties_the_state_dict(module, state_dict):
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    mismatched = []
    for name, tensor in own.items():
        if name in state_dict:
            given = state_dict.pop(name)
            if given.shape == tensor.shape:
                tensor.copy_(given)
            else:
                mismatched.append(name)
    return missing, unexpected, mismatched


@load_matching.misconception("The module got new parameters (`assign=True` or a new `nn.Parameter`). An optimizer that "
                             "was made before holds the old ones and trains nothing any more; copy into the old ones.")
def replaces_the_parameters(module, state_dict):
    own = module.state_dict()
    missing = [name for name in own if name not in state_dict]
    unexpected = [name for name in state_dict if name not in own]
    mismatched = [name for name in own if name in state_dict and own[name].shape != state_dict[name].shape]
    fitting = {name: state_dict[name].clone() for name in own if name in state_dict and name not in mismatched}
    module.load_state_dict(fitting, strict=False, assign=True)
    return missing, unexpected, mismatched


@load_matching.misconception("The module's tensors now are the state dict's own memory (`.data = …`). Train the "
                             "module, and the state dict changes with it: copy the numbers.")
def shares_the_memory(module, state_dict):
    missing, unexpected, mismatched = plain_matching(module, state_dict)
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    for name, tensor in tensors.items():
        if name in state_dict and name not in mismatched:
            tensor.data = state_dict[name]
    return missing, unexpected, mismatched


@load_matching.misconception("Sets were returned. The task asks for lists, which keep an order and print the same "
                             "every time.")
def returns_sets(module, state_dict):
    return tuple(set(names) for names in plain_matching(module, state_dict))


@load_matching.misconception("Frozen parameters were passed over. Frozen means that no optimizer moves them; what "
                             "fits is loaded all the same.")
def passes_over_the_frozen(module, state_dict):
    frozen = {name: parameter.detach().clone() for name, parameter in module.named_parameters()
              if not parameter.requires_grad}
    result = plain_matching(module, state_dict)
    with torch.no_grad():
        for name, kept in frozen.items():
            module.get_parameter(name).copy_(kept)
    return result


@load_matching.misconception("What was frozen has been set free: its `requires_grad` is True now. Loading changes "
                             "numbers and nothing else.", literal=True)
def sets_the_frozen_free(module, state_dict):
    result = plain_matching(module, state_dict)
    module.requires_grad_(True)
    return result


@load_matching.misconception("Buffers that the state dict lacks are not in `missing`: it was made from the parameters' "
                             "names. `state_dict()` has both.", literal=True)
def misses_parameters_alone(module, state_dict):
    missing, unexpected, mismatched = plain_matching(module, state_dict)
    parameters = dict(module.named_parameters())
    return [name for name in missing if name in parameters], unexpected, mismatched


@load_matching.misconception("Only the number of dimensions was compared. (6, 4) and (3, 4) have as many and do not "
                             "fit: compare the whole shape.")
def compares_the_dimensions(module, state_dict):
    own = module.state_dict()
    missing, unexpected, _ = plain_matching(module, state_dict)
    return missing, unexpected, [name for name in own if name in state_dict and own[name].ndim != state_dict[name].ndim]


@load_matching.misconception("`unexpected` and `mismatched` are exchanged. Unexpected is what the module does not "
                             "have; mismatched is what both have in another shape.")
def exchanges_the_last_two(module, state_dict):
    missing, unexpected, mismatched = plain_matching(module, state_dict)
    return missing, mismatched, unexpected


@load_matching.alternative
def by_load_state_dict(module, state_dict):
    own = module.state_dict()
    fitting = {name: tensor for name, tensor in state_dict.items() if name in own and own[name].shape == tensor.shape}
    module.load_state_dict(fitting, strict=False)
    both = own.keys() & state_dict.keys()
    return sorted(own.keys() - both), sorted(state_dict.keys() - both), sorted(both - fitting.keys())


@load_matching.alternative
def by_filling_up(module, state_dict):
    full = dict(module.state_dict())
    missing, unexpected, mismatched = list(full), [], []
    for name in state_dict:
        if name not in full:
            unexpected.append(name)
            continue
        missing.remove(name)
        if list(full[name].shape) == list(state_dict[name].shape):
            full[name] = state_dict[name]
        else:
            mismatched.append(name)
    module.load_state_dict(full)
    return missing, unexpected, mismatched


@load_matching.alternative
def by_walking_modules(module, state_dict):
    missing, mismatched, known = [], [], set()
    with torch.no_grad():
        for prefix, part in module.named_modules():
            for key, tensor in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
                name = f"{prefix}.{key}" if prefix else key
                known.add(name)
                if name not in state_dict:
                    missing.append(name)
                elif tensor.size() == state_dict[name].size():
                    tensor.data.copy_(state_dict[name])
                else:
                    mismatched.append(name)
    return missing, [name for name in state_dict if name not in known], mismatched
