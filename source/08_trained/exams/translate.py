"""How `translate` is examined: by small tensors under the real names."""

import re

import torch

from convcraft.exam import aspect, error_of, exercise

from .shared import STAGES

_PLACES = [f"{stage}.{index}" for stage, (blocks, *_) in enumerate(STAGES) for index in range(blocks)]
_KINDS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
_BLOCK = {"_expand_conv": "expand", "_bn0": "expand_norm", "_depthwise_conv": "depthwise", "_bn1": "depthwise_norm",
          "_project_conv": "project", "_bn2": "project_norm"}
_NET = {"_conv_stem": "stem", "_bn0": "stem_norm", "_conv_head": "head", "_bn1": "head_norm", "_fc": "classifier"}


def _translated(name, places=_PLACES, block=_BLOCK, net=_NET):
    first, *rest = name.split(".")
    if first == "_blocks":
        number, part, kind = rest
        return f"stages.{dict(enumerate(places))[int(number)]}.{block[part]}.{kind}"
    return ".".join([net[first], *rest])


def _plain(state_dict):
    return {_translated(name): tensor for name, tensor in state_dict.items()}


def _kinds(part):
    return ("weight", "bias") if part == "_fc" else _KINDS if part.startswith("_bn") else ("weight",)


def _their_names():
    """All 296, in their order."""
    names = [f"{part}.{kind}" for part in ("_conv_stem", "_bn0") for kind in _kinds(part)]
    for number, place in enumerate(_PLACES):
        names += [f"_blocks.{number}.{part}.{kind}" for part in _BLOCK for kind in _kinds(part)
                  if place != "0.0" or part not in ("_expand_conv", "_bn0")]
    return names + [f"{part}.{kind}" for part in ("_conv_head", "_bn1", "_fc") for kind in _kinds(part)]


@exercise(points=10, reference=_plain)
def translate(impl, draw):
    def filled(names):
        values = draw.distinct(len(names))
        return {name: values[index:index + 1].clone() for index, name in enumerate(names)}

    def given(*patterns):
        """What becomes of the names that one of the patterns fits, each with its number."""
        state_dict = filled([name for name in _their_names() if any(re.fullmatch(one, name) for one in patterns)])
        return {name: float(tensor) for name, tensor in impl(state_dict).items()}

    def everything():
        names = _their_names()
        state_dict = filled([names[index] for index in torch.randperm(len(names), generator=draw.generator())])
        result = impl(state_dict)
        some = dict(list(state_dict.items())[:24])
        lines = [f"{name} {float(tensor):g}" for name, tensor in result.items()]
        return {"all": ["\n".join(lines[first::4]) for first in range(4)],  # one text would be cut off
                "some": {name: float(tensor) for name, tensor in impl(some).items()}}

    def counted(seen, right):
        result, wanted = (dict(line.rpartition(" ")[::2] for part in shown["all"] for line in part.splitlines())
                          for shown in (seen, right))
        return {"names": len(result),
                "wanted and not there": len(wanted.keys() - result.keys()),
                "there and not wanted": len(result.keys() - wanted.keys()),
                "numbers at their places": sum(result.get(name) == number for name, number in wanted.items()),
                "some of them": seen["some"]}

    def unknown(name):
        state_dict, result = filled(["_conv_stem.weight", name, "_fc.bias"]), {}
        error = error_of(lambda: result.update(impl(state_dict)), KeyError)
        return f"{error} {', '.join(sorted(result))}"

    def refused():
        return {"a layer of another net": unknown("_se_reduce.weight"),
                "a block too many": unknown("_blocks.16._bn1.bias"),
                "a part that no block has": unknown("_blocks.3._se_expand.weight")}

    def left_alone():
        state_dict = filled(["_conv_stem.weight", "_blocks.0._bn1.bias", "_fc.weight"])
        before = dict(state_dict)
        result = impl(state_dict)
        return {"names": ", ".join(sorted(result)), "theirs": ", ".join(state_dict),
                "the same tensors": sum(any(tensor is one for one in before.values()) for tensor in result.values())}

    yield aspect("outside the blocks", "`_conv_stem`, `_bn0`, `_conv_head`, `_bn1` and `_fc` become `stem`, "
                 "`stem_norm`, `head`, `head_norm` and `classifier`.",
                 lambda: given(r"_(conv|bn|fc)[^.]*\.(weight|bias)"))
    yield aspect("parts of a block", "Inside a block `_expand_conv`, `_bn0`, `_depthwise_conv`, `_bn1`, "
                 "`_project_conv` and `_bn2` become `expand`, `expand_norm`, `depthwise`, `depthwise_norm`, `project` "
                 "and `project_norm`.", lambda: given(r"_blocks\.[01]\..*(weight|running_var)"))
    yield aspect("stages", "Their blocks are numbered from 0 to 15 through the whole net, yours within each stage: "
                 "`_blocks.3` is `stages.2.0`.", lambda: given(r"_blocks\.\d+\._project_conv\.weight"), weight=2)
    yield aspect("nothing lost", "All 296 entries come out, each with its own tensor, in whatever order they went in.",
                 everything, view=counted)
    yield aspect("unknown names", "A part or a block number that your net does not have raises KeyError: what would be "
                 "lost in silence is told.",
                 lambda: {"a known name": given(r"_conv_head\.weight"), "unknown names": refused()})
    yield aspect("left alone", "The dictionary that was given stays as it was, and the tensors are passed on, not "
                 "copied.", left_alone)


def _by_replacing(*pairs):
    """Translates by replacing texts, one after the other."""
    def answer(state_dict):
        result = {}
        for name, tensor in state_dict.items():
            for theirs, own in pairs:
                name = name.replace(theirs, own)
            result[name] = tensor
        return result

    return answer


def _numbered(name):
    found = re.match(r"_blocks\.(\d+)\.", name)
    return f"stages.{_PLACES[int(found[1])]}." + name[found.end():] if found else name


@translate.misconception("The texts were replaced wherever they stand. `_bn0` is the stem's norm outside the blocks "
                         "and the expansion's inside; `_bn1` means two things, too: ask first where a name stands.")
def replaces_everywhere(state_dict):
    renamed = _by_replacing(("_conv_stem", "stem"), ("_bn0", "stem_norm"), ("_conv_head", "head"),
                            ("_bn1", "head_norm"), ("_fc", "classifier"), ("_expand_conv", "expand"),
                            ("_depthwise_conv", "depthwise"), ("_project_conv", "project"), ("_bn2", "project_norm"))
    return renamed({_numbered(name): tensor for name, tensor in state_dict.items()})


@translate.misconception("Blocks keep their running number. Yours are numbered within a stage: of the numbers 0 to 15 "
                         "make the stage and the place in it.")
def keeps_the_running_number(state_dict):
    places = [f"0.{number}" for number in range(16)]
    return {_translated(name, places): tensor for name, tensor in state_dict.items()}


@translate.misconception("The block's number was taken for the stage's. Stages have 1, 2, 2, 3, 3, 4 and 1 blocks.")
def takes_blocks_for_stages(state_dict):
    places = [f"{number}.0" for number in range(16)]
    return {_translated(name, places): tensor for name, tensor in state_dict.items()}


@translate.misconception("Stages were counted from 1. The first one is `stages.0`.")
def counts_stages_from_one(state_dict):
    places = [f"{stage}.{index}" for stage, (blocks, *_) in enumerate(STAGES, 1) for index in range(blocks)]
    return {_translated(name, places): tensor for name, tensor in state_dict.items()}


@translate.misconception("The norms of a block are one off: `_bn0` belongs to the expansion, `_bn1` to the depthwise "
                         "convolution, `_bn2` to the projection, also in the block that has no `_bn0`.")
def shifts_the_norms(state_dict):
    block = _BLOCK | {"_bn0": "depthwise_norm", "_bn1": "project_norm", "_bn2": "expand_norm"}
    return {_translated(name, block=block): tensor for name, tensor in state_dict.items()}


@translate.misconception("In the first block alone the norms are one off. It has no `_bn0`, but its others keep their "
                         "numbers: `_bn1` is the depthwise convolution's, `_bn2` the projection's.")
def shifts_the_norms_of_the_first_block(state_dict):
    block = _BLOCK | {"_bn1": "expand_norm", "_bn2": "depthwise_norm"}
    return {_translated(name, block=block if name.startswith("_blocks.0.") else _BLOCK): tensor
            for name, tensor in state_dict.items()}


@translate.misconception("Outside the blocks the norms are exchanged: `_bn0` follows the stem, `_bn1` the head.")
def exchanges_the_outer_norms(state_dict):
    net = _NET | {"_bn0": "head_norm", "_bn1": "stem_norm"}
    return {_translated(name, net=net): tensor for name, tensor in state_dict.items()}


@translate.misconception("A name that fits no rule was left out. Nobody is told that a layer keeps its random weights: "
                         "raise KeyError.", literal=True)
def drops_what_it_does_not_know(state_dict):
    result = {}
    for name, tensor in state_dict.items():
        try:
            result[_translated(name)] = tensor
        except (KeyError, IndexError):
            continue
    return result


@translate.misconception("A name that fits no rule was passed on as it is. Raise KeyError: it names a layer that your "
                         "net does not have.", literal=True)
def passes_on_what_it_does_not_know(state_dict):
    result = {}
    for name, tensor in state_dict.items():
        try:
            result[_translated(name)] = tensor
        except (KeyError, IndexError):
            result[name] = tensor
    return result


@translate.misconception("A block too many raises IndexError, as a list does. The task asks for KeyError: the caller "
                         "has one kind of error to wait for.", literal=True)
def lets_the_list_complain(state_dict):
    for name in state_dict:
        if name.startswith("_blocks"):
            _PLACES[int(name.split(".")[1])]
    return _plain(state_dict)


_place = dict(enumerate(_PLACES)).__getitem__


def _by_asking(block, net, place=_place):
    """Translates each part by a function."""
    def answer(state_dict):
        result = {}
        for name, tensor in state_dict.items():
            first, *rest = name.split(".")
            if first == "_blocks":
                number, part, kind = rest
                result[f"stages.{place(int(number))}.{block(part)}.{kind}"] = tensor
            else:
                result[f"{net(first)}.{rest[0]}"] = tensor
        return result

    return answer


@translate.misconception("A part that no rule knows keeps its old name (`.get(part, part)`), in a block and outside. "
                         "Raise KeyError: plain brackets do it by themselves.", literal=True)
def passes_on_unknown_parts(state_dict):
    return _by_asking(lambda part: _BLOCK.get(part, part), lambda part: _NET.get(part, part))(state_dict)


@translate.misconception("A part that no rule knows keeps its old name (`.get(part, part)`), and a block too many "
                         "raises IndexError. All of these raise KeyError.", literal=True)
def passes_on_unknown_parts_and_lets_the_list_complain(state_dict):
    return _by_asking(lambda part: _BLOCK.get(part, part), lambda part: _NET.get(part, part), _PLACES.__getitem__)(
        state_dict)


@translate.misconception("Inside a block, a part that no rule knows keeps its old name (`.get(part, part)`). Raise "
                         "KeyError there, too: plain brackets do it.", literal=True)
def passes_on_unknown_parts_of_blocks(state_dict):
    return _by_asking(lambda part: _BLOCK.get(part, part), _NET.__getitem__)(state_dict)


@translate.misconception("Outside the blocks, a name that no rule knows is passed on as it is (`.get(part, part)`). "
                         "Raise KeyError there, too: plain brackets do it.", literal=True)
def passes_on_unknown_parts_of_the_net(state_dict):
    return _by_asking(_BLOCK.__getitem__, lambda part: _NET.get(part, part))(state_dict)


@translate.misconception("A part that no rule knows becomes the word None (`.get(part)`). Raise KeyError: plain "
                         "brackets do it by themselves.", literal=True)
def makes_none_of_unknown_parts(state_dict):
    return _by_asking(_BLOCK.get, _NET.get)(state_dict)


@translate.misconception("An unknown name raises an error, but not KeyError. The caller waits for that one.",
                         literal=True)
def raises_value_error(state_dict):
    try:
        return _plain(state_dict)
    except KeyError as error:
        raise ValueError(f"unknown name {error}") from None


def _counted_down(number, past):
    for stage, (blocks, *_) in enumerate(STAGES):
        if number < blocks + past:
            return f"{stage}.{number}"
        number -= blocks
    return None


@translate.misconception("For a block too many the search ends without a place, and the name has the word None in it. "
                         "Raise KeyError where no stage is left.", literal=True)
def finds_no_place(state_dict):
    return _by_asking(_BLOCK.__getitem__, _NET.__getitem__, lambda number: _counted_down(number, 0))(state_dict)


@translate.misconception("A stage takes one block too many: the next stage's first block is put at its end. Places "
                         "count from 0, so it is `<`, not `<=`.")
def counts_one_block_too_many(state_dict):
    return _by_asking(_BLOCK.__getitem__, _NET.__getitem__, lambda number: _counted_down(number, 1))(state_dict)


@translate.misconception("Blocks were counted from 1 within a stage. The first one is `stages.0.0`.")
def counts_blocks_from_one(state_dict):
    places = [f"{stage}.{index + 1}" for stage, (blocks, *_) in enumerate(STAGES) for index in range(blocks)]
    return {_translated(name, places): tensor for name, tensor in state_dict.items()}


@translate.misconception("Only the first digit of a block's number was read: block 12 was taken for block 1. Split the "
                         "name at its dots.", literal=True)
def reads_one_digit(state_dict):
    return {_translated(re.sub(r"^_blocks\.(\d)\d*", r"_blocks.\1", name)): tensor
            for name, tensor in state_dict.items()}


@translate.misconception("The names were paired by their order (`zip`). In a dictionary the name says what belongs "
                         "where; the order may be another.")
def pairs_by_order(state_dict):
    own = [_translated(name) for name in _their_names() if name in state_dict]
    return dict(zip(own, state_dict.values(), strict=True)) if len(own) == len(state_dict) else _plain(state_dict)


@translate.misconception("Only weights and biases are passed on. A norm's running mean and variance are part of what "
                         "was trained: without them a net in evaluation mode says nonsense.")
def forgets_the_statistics(state_dict):
    return {_translated(name): tensor for name, tensor in state_dict.items()
            if name.rpartition(".")[2] in ("weight", "bias")}


@translate.misconception("`num_batches_tracked` was left out. It is one of the 296 entries, and strict loading wants "
                         "all of them.")
def forgets_the_counters(state_dict):
    return {_translated(name): tensor for name, tensor in state_dict.items()
            if not name.endswith("num_batches_tracked")}


@translate.misconception("The entries were renamed in the dictionary that was given (`pop`). It is the caller's, who "
                         "may need it again: build a new one.", literal=True)
def renames_in_place(state_dict):
    for name in list(state_dict):
        state_dict[_translated(name)] = state_dict.pop(name)
    return state_dict


@translate.misconception("The tensors are not those that were given: they were copied, detached or wrapped. Loading "
                         "copies them anyway; here they only get other names.", literal=True)
def copies_the_tensors(state_dict):
    return {_translated(name): tensor.clone() for name, tensor in state_dict.items()}


@translate.alternative
def by_a_table_of_prefixes(state_dict):
    table = {f"{theirs}": own for theirs, own in _NET.items()}
    number = 0
    for stage, (blocks, *_) in enumerate(STAGES):
        for index in range(blocks):
            table |= {f"_blocks.{number}.{theirs}": f"stages.{stage}.{index}.{own}" for theirs, own in _BLOCK.items()}
            number += 1
    result = {}
    for name in state_dict:
        prefix, _, kind = name.rpartition(".")
        result[f"{table[prefix]}.{kind}"] = state_dict[name]
    return result


@translate.alternative
def by_counting_down(state_dict):
    def place(number):
        for stage, (blocks, *_) in enumerate(STAGES):
            if number < blocks:
                return f"stages.{stage}.{number}"
            number -= blocks
        raise KeyError(f"block {number} too many")

    result = {}
    for name, tensor in state_dict.items():
        parts = name.split(".")
        if parts[0] == "_blocks":
            result[".".join([place(int(parts[1])), _BLOCK[parts[2]], parts[3]])] = tensor
        else:
            result[".".join([_NET[parts[0]], parts[1]])] = tensor
    return result


@translate.alternative
def by_patterns(state_dict):
    def block(found):
        try:
            return f"stages.{_PLACES[int(found[1])]}.{_BLOCK[found[2]]}.{found[3]}"
        except IndexError:
            raise KeyError(found[0]) from None

    def renamed(name):
        inside = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name)
        if inside:
            return block(inside)
        outside = re.fullmatch(r"(_conv_stem|_bn0|_conv_head|_bn1|_fc)\.(\w+)", name)
        if not outside:
            raise KeyError(name)
        return f"{_NET[outside[1]]}.{outside[2]}"

    return dict(zip(map(renamed, state_dict), state_dict.values(), strict=True))


translate.equivalent(
    'result[f"stages.{places[int(number)]}.{inside[part]}.{kind}"] = tensor'
    ' -> result[f"stages.{places[float(number)]}.{inside[part]}.{kind}"] = tensor',
    "A dictionary finds under 1.0 what stands under 1.",
)
