"""How `occlusion` is examined: on nets whose answer can be worked out, and on small drawn ones."""

import torch
from torch import nn

from convcraft.exam import aspect, exercise


class _Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.norm, self.classifier = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3)

    def forward(self, x):
        return self.classifier(torch.tanh(self.norm(self.layer(x))).mean((2, 3)))


def _places(x, size, stride):
    high, wide = x.shape[-2:]
    return range(0, high - size + 1, stride), range(0, wide - size + 1, stride)


def _hidden(x, row, column, size, fill=0.0):
    hidden = x.clone()
    hidden[..., row:row + size, column:column + size] = fill
    return hidden


def _occluded(net, x, label, size, stride):
    with torch.no_grad():
        whole = net(x).softmax(1)[0, label]
        rows, columns = _places(x, size, stride)
        return torch.stack([torch.stack([whole - net(_hidden(x, row, column, size)).softmax(1)[0, label]
                                         for column in columns]) for row in rows])


class _Remembers(nn.Module):
    """Knows the picture, and weighs the numbers that are as they were: whatever they are covered with is the same."""

    def __init__(self, picture, weights):
        super().__init__()
        self.picture, self.weights = picture.clone(), nn.Parameter(weights)

    def forward(self, x):
        return torch.einsum("nhw,khw->nk", (x == self.picture).float().mean(1), self.weights)


@exercise(points=8, reference=_occluded)
def occlusion(impl, draw):
    def net():
        made = draw.fill_(_Net()).eval()
        with torch.no_grad():
            made.layer.weight *= 3
            made.classifier.weight *= 9
        return made

    def remembering(label, size, high, wide):
        """A picture, and a net that knows it and thinks something else than `label` most likely."""
        x, weights = draw.normal(1, 3, high, wide), draw.normal(3, high, wide) / size
        return x, _Remembers(x, -weights if weights.sum((1, 2)).argmax() == label else weights).eval()

    def remembered(label, size, stride, high, wide):
        x, one = remembering(label, size, high, wide)
        return impl(one, x, label, size, stride)

    def values():
        one, x = net(), draw.normal(1, 3, 6, 9) + 1
        with torch.no_grad():
            best = int(one(x).argmax())
        return impl(one, x, 2 if best == 1 else 1, 3, 3)

    def left_alone():
        x, one = remembering(0, 2, 6, 6)
        kept = x.clone()
        result = impl(one, kept, 0, 2, 2)
        return {"map": result, "input": kept,
                "a graph hangs on it": bool(isinstance(result, torch.Tensor) and result.requires_grad),
                "gradients left": sum(each.grad is not None for each in one.parameters()),
                "parts in training mode": sum(part.training for part in one.modules()),
                "parameters that learn": sum(each.requires_grad for each in one.parameters())}

    yield aspect("by hand", "At each place the number is what the label's probability loses: that of the whole picture "
                 "minus that of the picture with the square.",
                 lambda: {"label 0": remembered(0, 2, 2, 4, 6), "label 2": remembered(2, 2, 2, 6, 4)})
    yield aspect("values", "The square is filled with 0 in all channels: mid grey, as `prepare` scales.",
                 values, weight=2)
    yield aspect("places", "The square goes over the picture by `stride` from the upper left corner, and never hangs "
                 "over the border: (H − size) // stride + 1 places down, as many across as fit.",
                 lambda: {"stride 2": remembered(0, 3, 2, 7, 10), "stride above size": remembered(0, 2, 3, 8, 9),
                          "one place": remembered(1, 5, 5, 5, 5)})
    yield aspect("gains", "Where the probability grows, the number is negative: nothing is cut off.",
                 lambda: remembered(2, 2, 2, 8, 6))
    yield aspect("left alone", "`x` and the net stay as they were, and no graph hangs on the map.", left_alone)


def _variant(measure=None, fill=0.0, places=_places, finish=None):
    def answered(net, x, label, size, stride):
        measured = measure or (lambda logits: logits.softmax(1)[0, label])
        with torch.no_grad():
            whole = measured(net(x))
            rows, columns = places(x, size, stride)
            result = torch.stack([torch.stack([whole - measured(net(_hidden(x, row, column, size, fill)))
                                               for column in columns]) for row in rows])
        return finish(result) if finish else result

    return answered


@occlusion.misconception("The sign is turned round: what the probability loses is before minus after.")
def turns_the_sign(net, x, label, size, stride):
    return _variant(finish=lambda result: -result)(net, x, label, size, stride)


@occlusion.misconception("Gains were cut off at 0. A square can also hide what misled the net: keep the negative "
                         "numbers.")
def cuts_gains_off(net, x, label, size, stride):
    return _variant(finish=lambda result: result.clamp_min(0))(net, x, label, size, stride)


@occlusion.misconception("The square is filled with 1. That is white: 0 is mid grey, as `prepare` scales.")
def fills_with_white(net, x, label, size, stride):
    return _variant(fill=1.0)(net, x, label, size, stride)


@occlusion.misconception("The square is filled with the picture's mean. It is 0, whatever the picture: so two pictures "
                         "can be compared.")
def fills_with_the_mean(net, x, label, size, stride):
    return _variant(fill=x.mean().item())(net, x, label, size, stride)


@occlusion.misconception("The square is filled with −1. That is black: 0 is mid grey, as `prepare` scales.")
def fills_with_black(net, x, label, size, stride):
    return _variant(fill=-1.0)(net, x, label, size, stride)


@occlusion.misconception("Rows and columns of the map are exchanged: the first axis goes down.")
def exchanges_the_axes(net, x, label, size, stride):
    return _variant(finish=lambda result: result.T)(net, x, label, size, stride)


@occlusion.misconception("Places were counted up to the border, so that the last squares hang over it. The last one "
                         "ends with the picture, or before it.")
def hangs_over_the_border(net, x, label, size, stride):
    answered = _variant(places=lambda x, size, stride: (range(0, x.shape[-2], stride), range(0, x.shape[-1], stride)))
    return answered(net, x, label, size, stride)


@occlusion.misconception("The last place is missing: a `range` ends before its end, so the end is H − size + 1.")
def misses_the_last_place(net, x, label, size, stride):
    def places(x, size, stride):
        return [range(0, max(side - size, 1), stride) for side in x.shape[-2:]]

    return _variant(places=places)(net, x, label, size, stride)


@occlusion.misconception("The picture was taken for a square: as many places across as down. Count the columns by the "
                         "width.")
def counts_columns_by_the_height(net, x, label, size, stride):
    return _variant(places=lambda x, size, stride: (_places(x, size, stride)[0],) * 2)(net, x, label, size, stride)


@occlusion.misconception("The square moves by its own size. It moves by `stride`, which may be smaller or larger.")
def moves_by_its_size(net, x, label, size, stride):
    return _variant(places=lambda x, size, stride: _places(x, size, size))(net, x, label, size, stride)


@occlusion.misconception("These are logits. What the probability loses is asked for: take the softmax first.")
def compares_logits(net, x, label, size, stride):
    return _variant(measure=lambda logits: logits[0, label])(net, x, label, size, stride)


@occlusion.misconception("This is the probability that is left, not what was lost: take it from the whole picture's.")
def gives_what_is_left(net, x, label, size, stride):
    with torch.no_grad():
        return net(x).softmax(1)[0, label] - _occluded(net, x, label, size, stride)


@occlusion.misconception("`label` is not used: the map is for what the net thinks most likely.")
def takes_the_best(net, x, label, size, stride):
    with torch.no_grad():
        return _occluded(net, x, int(net(x).argmax()), size, stride)


@occlusion.misconception("What is lost was divided by the whole picture's probability. Asked for is the difference.")
def gives_shares(net, x, label, size, stride):
    with torch.no_grad():
        return _occluded(net, x, label, size, stride) / net(x).softmax(1)[0, label]


@occlusion.misconception("These are differences of log-probabilities. The probabilities themselves are compared: "
                         "`softmax`.")
def compares_logarithms(net, x, label, size, stride):
    return _variant(measure=lambda logits: logits.log_softmax(1)[0, label])(net, x, label, size, stride)


@occlusion.misconception("The softmax goes over the wrong axis, or the net gave one number: every probability is 1, "
                         "and nothing is ever lost. It goes over the classes, axis 1.", literal=True)
def sums_over_the_batch(net, x, label, size, stride):
    return _variant(measure=lambda logits: logits.softmax(0)[0, label])(net, x, label, size, stride)


@occlusion.misconception("The absolute value was taken. Whether hiding helps or hurts is what the sign says: keep it.")
def takes_absolute_values(net, x, label, size, stride):
    return _variant(finish=torch.abs)(net, x, label, size, stride)


@occlusion.misconception("All but the square was hidden. It is the square that is filled with 0; the rest stays.")
def hides_all_but_the_square(net, x, label, size, stride):
    rows, columns = _places(x, size, stride)
    result = torch.empty(len(rows), len(columns))
    with torch.no_grad():
        whole = net(x).softmax(1)[0, label]
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                shown = x - _hidden(x, row, column, size)
                result[i, j] = whole - net(shown).softmax(1)[0, label]
    return result


@occlusion.misconception("The square is filled with ½. That is the middle of 0 to 1, but `prepare` gives −1 to 1: mid "
                         "grey is 0.")
def fills_with_one_half(net, x, label, size, stride):
    return _variant(fill=0.5)(net, x, label, size, stride)


@occlusion.misconception("The net was frozen, and stays so: the next training would change nothing. `torch.no_grad()` "
                         "asks for no graph and leaves the net alone.", literal=True)
def freezes_the_net(net, x, label, size, stride):
    net.requires_grad_(False)
    return _occluded(net, x, label, size, stride)


@occlusion.misconception("The squares stay in the picture: each place hides what the earlier ones hid as well. Begin "
                         "with a fresh copy of `x` each time.")
def never_uncovers(net, x, label, size, stride):
    hidden = x.clone()
    rows, columns = _places(x, size, stride)
    result = torch.empty(len(rows), len(columns))
    with torch.no_grad():
        whole = net(x).softmax(1)[0, label]
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                hidden = _hidden(hidden, row, column, size)
                result[i, j] = whole - net(hidden).softmax(1)[0, label]
    return result


@occlusion.misconception("The square covers the first channel alone. It hides all three colours.")
def hides_one_colour(net, x, label, size, stride):
    rows, columns = _places(x, size, stride)
    result = torch.empty(len(rows), len(columns))
    with torch.no_grad():
        whole = net(x).softmax(1)[0, label]
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                hidden = x.clone()
                hidden[:, 0, row:row + size, column:column + size] = 0
                result[i, j] = whole - net(hidden).softmax(1)[0, label]
    return result


@occlusion.misconception("The graph of every call still hangs on the map. A photograph has hundreds of places, and all "
                         "their graphs stay in memory: `torch.no_grad()`.", literal=True)
def keeps_the_graphs(net, x, label, size, stride):
    whole = net(x).softmax(1)[0, label]
    rows, columns = _places(x, size, stride)
    return torch.stack([torch.stack([whole - net(_hidden(x, row, column, size)).softmax(1)[0, label]
                                     for column in columns]) for row in rows])


@occlusion.misconception("The squares were written into `x` itself. Whoever gave it finds a grey picture: make a copy "
                         "for each place.", literal=True)
def writes_into_the_input(net, x, label, size, stride):
    result = _occluded(net, x, label, size, stride)
    rows, columns = _places(x, size, stride)
    x[..., :rows[-1] + size, :columns[-1] + size] = 0
    return result


@occlusion.alternative
def all_in_one_batch(net, x, label, size, stride):
    rows, columns = _places(x, size, stride)
    batch = torch.cat([_hidden(x, row, column, size) for row in rows for column in columns])
    with torch.no_grad():
        whole, parts = net(x).softmax(1)[:, label], net(batch).softmax(1)[:, label]
    return (whole - parts).reshape(len(rows), len(columns))


@occlusion.alternative
def by_masks(net, x, label, size, stride):
    high, wide = x.shape[-2:]
    down, across = (high - size) // stride + 1, (wide - size) // stride + 1
    result = torch.zeros(down, across)
    for number in range(down * across):
        i, j = divmod(number, across)
        mask = torch.ones(high, wide)
        mask[i * stride:i * stride + size, j * stride:j * stride + size] = 0
        with torch.inference_mode():
            result[i, j] = (torch.softmax(net(x), 1) - torch.softmax(net(x * mask), 1))[0, label].item()
    return result


@occlusion.alternative
def by_padding(net, x, label, size, stride):
    """The picture in four strips around the square."""
    def share(picture):
        return net(picture)[0].log_softmax(0)[label].exp()

    rows, columns = _places(x, size, stride)
    hidden = torch.zeros_like(x[..., :size, :size])
    lost = []
    with torch.no_grad():
        for row in rows:
            for column in columns:
                middle = x[..., row:row + size, :]
                middle = torch.cat([middle[..., :column], hidden, middle[..., column + size:]], -1)
                whole = torch.cat([x[..., :row, :], middle, x[..., row + size:, :]], -2)
                lost.append(share(x) - share(whole))
    return torch.tensor([float(number) for number in lost]).view(len(rows), len(columns))


occlusion.equivalent(
    "rows, columns = (range(0, side - size + 1, stride) for side in x.shape[-2:]) -> "
    "rows, columns = (range(0, side - size + 1, stride) for side in x.shape[2:])",
    "A batch of pictures has four axes: its third is its last but one.")
occlusion.equivalent(
    "lost = torch.empty(len(rows), len(columns), dtype=x.dtype) -> lost = torch.empty(len(rows), len(columns))",
    "Pictures are float32, as `prepare` gives them.")
occlusion.equivalent(
    "whole = net(x).softmax(1)[0, label] -> whole = net(x).softmax(1)[(-1), label]",
    "There is one picture: the first is the last.")
occlusion.equivalent(
    "lost[i, j] = whole - net(covered).softmax(1)[0, label] -> "
    "lost[i, j] = whole - net(covered).softmax(1)[(-1), label]",
    "There is one picture: the first is the last.")
