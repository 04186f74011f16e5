"""How `denoise` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise

from .shared import _each_pixel, _Net


def _padded(image, net, mode="reflect"):
    height, width = image.shape[-2:]
    multiple = 2 ** net.depth
    return F.pad(image[None], (0, -width % multiple, 0, -height % multiple), mode=mode)


def _modes(net):
    return {module: module.training for module in net.modules()}


def _put_back(modes):
    for module, training in modes.items():
        module.training = training


def _clean(net, image, padded=_padded):
    modes = _modes(net)
    net.eval()
    try:
        with torch.no_grad():
            return net(padded(image, net))[0, :, :image.shape[-2], :image.shape[-1]]
    finally:
        _put_back(modes)


def _reference(net, image):
    return _clean(net, image)


def _known(result):
    """The result as (C, H, W): that an axis is left over is told in one aspect alone."""
    return result[0] if isinstance(result, torch.Tensor) and result.ndim == 4 and len(result) == 1 else result


@exercise(points=9, reference=_reference)
def denoise(impl, draw):
    def plain():
        return impl(_Net(_each_pixel, depth=2), draw.normal(2, 8, 12))

    def any_size():
        seen = {}
        for depth, size in ((2, (6, 9)), (1, (5, 4)), (3, (11, 8)), (0, (3, 5))):
            net = _Net(_each_pixel, depth=depth).eval()
            result = _known(impl(net, draw.normal(1, *size)))
            seen[f"depth {depth}, {size[0]} × {size[1]}"] = {"the net sees": net.shapes, "result": result}
        return seen

    def reflected():
        net = _Net(_each_pixel, depth=2).eval()
        impl(net, draw.normal(1, 6, 9))
        return [x[..., :8, :12] for x in net.given]

    def mode():
        net = _Net(_each_pixel, depth=1, moody=True)
        return {"result": _known(impl(net, draw.normal(1, 4, 4))), "in training mode": list(net.modes)}

    def put_back():
        def stops(x):
            raise ArithmeticError("the net stops")

        seen = {}
        for name, choose in (("training", lambda net: net), ("evaluation", lambda net: net.eval()),
                             ("mixed", lambda net: net.inner[1].eval() and net)):
            net = choose(_Net(_each_pixel, depth=1))
            for stop in (False, True):
                net.function = stops if stop else _each_pixel
                try:
                    result = _known(impl(net, draw.normal(1, 4, 4)))
                except ArithmeticError:
                    result = "the net's own error"
                seen[f"{name}, {'after an error' if stop else 'after a result'}"] = {
                    "result": result, "modes": [module.training for module in net.modules()]}
        return seen

    def graph():
        net = _Net(_each_pixel, depth=1).eval()
        result = _known(impl(net, draw.normal(1, 4, 6)))
        return {"result": result, "gradients are recorded": list(net.graphs), "result hangs on a graph":
                result.requires_grad, "the net can learn afterwards": net.weight.requires_grad,
                "gradients can be recorded afterwards": torch.is_grad_enabled()}

    def left_alone():
        kept = draw.normal(1, 4, 6)
        return [_known(impl(_Net(_each_pixel, depth=1).eval(), kept)), kept]

    yield aspect("picture", "A picture (C, H, W) comes back as a picture (C, H, W); the net is given a batch of one.",
                 plain)
    yield aspect("any size", "H and W may be anything from 2 to the power of `net.depth` on: the net is given the next "
                 "multiple of that number, not more, and the result has H and W again.", any_size, weight=2)
    yield aspect("reflected", "What is missing is added at the bottom and on the right, by reflection.", reflected)
    yield aspect("evaluation mode", "The net runs in evaluation mode.", mode)
    yield aspect("put back", "Afterwards each part of the net is in the mode it came in, also where the net raised an "
                 "error.", put_back)
    yield aspect("no graph", "No graph is recorded.", graph)
    yield aspect("left alone", "`denoise` leaves the picture as it was.", left_alone)


@denoise.misconception("The picture was padded with zeros: the net sees a black bar that is not there. "
                       "`F.pad(..., mode=\"reflect\")` goes on with what stands at the border.")
def pads_with_zeros(net, image):
    return _clean(net, image, lambda image, net: _padded(image, net, "constant"))


@denoise.misconception("The last row and column were repeated. Repeated noise is no longer noise, but a stripe: "
                       "reflect.")
def repeats_the_border(net, image):
    return _clean(net, image, lambda image, net: _padded(image, net, "replicate"))


@denoise.misconception("The numbers for `F.pad` are in the wrong order: rows were added where columns are missing. The "
                       "last axis comes first: (left, right, top, bottom).")
def pads_the_other_axis(net, image):
    def padded(image, net):
        multiple = 2 ** net.depth
        return F.pad(image[None], (0, -image.shape[-2] % multiple, 0, -image.shape[-1] % multiple), mode="reflect")

    return _clean(net, image, padded)


@denoise.misconception("Where H or W is a multiple already, a whole multiple was added. What is missing to n is "
                       "−H % n, which is 0 there; n − H % n is not.")
def adds_a_whole_multiple(net, image):
    def padded(image, net):
        multiple = 2 ** net.depth
        height, width = (multiple - side % multiple for side in image.shape[-2:])
        return F.pad(image[None], (0, width, 0, height), mode="reflect")

    return _clean(net, image, padded)


@denoise.misconception("The multiple is 4, whatever the net. It is 2 to the power of `net.depth`: a deeper net halves "
                       "more often.")
def takes_four(net, image):
    def padded(image, net):
        return F.pad(image[None], (0, -image.shape[-1] % 4, 0, -image.shape[-2] % 4), mode="reflect")

    return _clean(net, image, padded)


@denoise.misconception("The multiple is 2 times `net.depth`. Each level halves once more: it is 2 to that power.",
                    literal=True)
def doubles_the_depth(net, image):
    def padded(image, net):
        multiple = max(2 * net.depth, 1)
        return F.pad(image[None], (0, -image.shape[-1] % multiple, 0, -image.shape[-2] % multiple), mode="reflect")

    return _clean(net, image, padded)


@denoise.misconception("The result was not cut back: it still has the rows and columns that were added.")
def keeps_the_padding(net, image):
    modes = _modes(net)
    with torch.no_grad():
        try:
            return net.eval()(_padded(image, net))[0]
        finally:
            _put_back(modes)


@denoise.misconception("The picture goes to the net as it is. A size that is no multiple of 2 to the power of "
                       "`net.depth` does not survive halving and doubling: pad it.")
def pads_nothing(net, image):
    return _clean(net, image, lambda image, net: image[None])


@denoise.misconception("The batch's axis was not taken off again: the result has one axis more than the picture.")
def keeps_the_batch(net, image):
    return _clean(net, image)[None]


@denoise.misconception("The net runs in the mode it came in. In training mode the norms take their numbers from this "
                       "one picture, and change: call `net.eval()`.")
def runs_in_the_mode_it_came_in(net, image):
    with torch.no_grad():
        return net(_padded(image, net))[0, :, :image.shape[-2], :image.shape[-1]].clone()


@denoise.misconception("The net is left in evaluation mode. If it goes on training, its norms are frozen and nobody "
                       "notices: put each part's mode back.", literal=True)
def leaves_it_in_evaluation_mode(net, image):
    net.eval()
    with torch.no_grad():
        return net(_padded(image, net))[0, :, :image.shape[-2], :image.shape[-1]]


@denoise.misconception("The net is left in training mode, whatever mode it came in. Note each part's mode before and "
                       "put it back.", literal=True)
def leaves_it_in_training_mode(net, image):
    net.eval()
    with torch.no_grad():
        out = net(_padded(image, net))[0, :, :image.shape[-2], :image.shape[-1]]
    net.train()
    return out


@denoise.misconception("All parts were put into the mode of the whole net. A part that had been frozen by hand trains "
                       "from now on: note each module's `training`.", literal=True)
def puts_back_one_mode(net, image):
    before = net.training
    net.eval()
    with torch.no_grad():
        out = net(_padded(image, net))[0, :, :image.shape[-2], :image.shape[-1]]
    net.train(before)
    return out


@denoise.misconception("The net is put into training mode afterwards, after an error, too, whatever mode it came in. "
                       "Note each part's mode before and put it back.", literal=True)
def trains_whatever_happens(net, image):
    net.eval()
    try:
        with torch.no_grad():
            return net(_padded(image, net))[0, :, :image.shape[-2], :image.shape[-1]]
    finally:
        net.train()


@denoise.misconception("All parts get the mode of the whole net back, after an error, too. A part that had been frozen "
                       "by hand trains from now on: note each module's `training`.", literal=True)
def puts_back_one_mode_whatever_happens(net, image):
    before = net.training
    net.eval()
    try:
        with torch.no_grad():
            return net(_padded(image, net))[0, :, :image.shape[-2], :image.shape[-1]]
    finally:
        net.train(before)


@denoise.misconception("After an error in the net the modes are not put back. Do it under `finally:`.", literal=True)
def forgets_errors(net, image):
    modes = _modes(net)
    net.eval()
    with torch.no_grad():
        out = net(_padded(image, net))
    _put_back(modes)
    return out[0, :, :image.shape[-2], :image.shape[-1]]


@denoise.misconception("The result hangs on a graph, and every map of the net is kept for a backward that never comes: "
                       "`torch.no_grad()`.", literal=True)
def records_a_graph(net, image):
    modes = _modes(net)
    net.eval()
    try:
        return net(_padded(image, net).clone())[0, :, :image.shape[-2], :image.shape[-1]]
    finally:
        _put_back(modes)


@denoise.misconception("The graph is recorded and then cut off with `detach()`. The maps were kept all the same while "
                       "the net ran: `torch.no_grad()` around the call.", literal=True)
def cuts_the_graph_off(net, image):
    return records_a_graph(net, image).detach()


@denoise.misconception("Gradients were switched off for good: nothing can be trained afterwards. `with "
                       "torch.no_grad():` switches them on again by itself.", literal=True)
def switches_gradients_off(net, image):
    torch.set_grad_enabled(False)
    return _clean(net, image)


@denoise.misconception("The net was frozen, and stays so: the next training would change nothing. `torch.no_grad()` "
                       "leaves its parameters alone.", literal=True)
def freezes_the_net(net, image):
    net.requires_grad_(False)
    return _clean(net, image)


@denoise.misconception("Only the net's own mode was changed, not that of its parts: `training` was set by hand. "
                       "`net.eval()` reaches all of them.", literal=True)
def changes_the_outer_mode(net, image):
    modes = _modes(net)
    net.training = False
    try:
        with torch.no_grad():
            return net(_padded(image, net))[0, :, :image.shape[-2], :image.shape[-1]]
    finally:
        _put_back(modes)


@denoise.misconception("What is missing was shared by both sides. It is added at the bottom and on the right alone.")
def pads_all_around(net, image):
    height, width = image.shape[-2:]
    below, right = (-side % 2 ** net.depth for side in (height, width))
    top, left = below // 2, right // 2
    modes = _modes(net)
    net.eval()
    try:
        with torch.no_grad():
            padded = F.pad(image[None], (left, right - left, top, below - top), mode="reflect")
            return net(padded)[0, :, top:top + height, left:left + width]
    finally:
        _put_back(modes)


@denoise.misconception("What is missing was added at the top and on the left. It is added at the bottom and on the "
                       "right.")
def pads_before(net, image):
    below, right = (-side % 2 ** net.depth for side in image.shape[-2:])
    modes = _modes(net)
    net.eval()
    try:
        with torch.no_grad():
            return net(F.pad(image[None], (right, 0, below, 0), mode="reflect"))[0, :, below:, right:]
    finally:
        _put_back(modes)


@denoise.misconception("The picture was cut down to a multiple, and its last rows or columns are gone. Add what is "
                       "missing, and cut the result.")
def cuts_the_picture(net, image):
    height, width = (side // 2 ** net.depth * 2 ** net.depth for side in image.shape[-2:])
    return _clean(net, image[:, :height, :width])


@denoise.misconception("The picture was continued from its other side (circular). By reflection, what stands at the "
                       "border goes on.")
def continues_around(net, image):
    return _clean(net, image, lambda image, net: _padded(image, net, "circular"))


@denoise.misconception("What the net gives was subtracted from the picture. The net does that itself: what it gives is "
                       "the clean picture.")
def subtracts_once_more(net, image):
    return image - _clean(net, image)


@denoise.misconception("The result was clamped to [0, 1]. Give what the net gives; whoever shows it may clamp.")
def clamps_the_picture(net, image):
    return _clean(net, image).clamp(0, 1)


@denoise.alternative
def by_index(net, image):
    modes = [(module, module.training) for module in net.modules()]
    multiple = 1 << net.depth
    _, height, width = image.shape
    rows, columns = (torch.tensor([index if index < side else 2 * side - 2 - index
                                   for index in range(-(-side // multiple) * multiple)]) for side in (height, width))
    try:
        for module, _ in modes:
            module.training = False
        with torch.inference_mode():
            out = net(image[:, rows][:, :, columns].unsqueeze(0)).squeeze(0)
        return out.narrow(1, 0, height).narrow(2, 0, width).clone()
    finally:
        for module, training in modes:
            module.train(training) if not list(module.children()) else setattr(module, "training", training)


@denoise.alternative
@torch.no_grad()
def by_a_decorator(net, image):
    training = {name: module.training for name, module in net.named_modules()}
    try:
        net.train(False)
        height, width = image.shape[1:]
        below, right = ((2 ** net.depth - side % 2 ** net.depth) % 2 ** net.depth for side in (height, width))
        padded = torch.nn.ReflectionPad2d((0, right, 0, below))(image)
        return net(padded[None].clone()).squeeze(0)[:, :height, :width]
    finally:
        for name, module in net.named_modules():
            module.training = training[name]


@denoise.alternative
def by_flipping(net, image):
    height, width = image.shape[-2:]
    multiple = 2 ** net.depth
    padded = image.clone()
    while padded.shape[-2] % multiple:
        padded = torch.cat([padded, image[:, 2 * height - 2 - padded.shape[-2], None]], 1)
        padded = padded[:, :, :width]
    while padded.shape[-1] % multiple:
        padded = torch.cat([padded, padded[:, :, 2 * width - 2 - padded.shape[-1], None]], 2)
    modes = _modes(net)
    try:
        with torch.no_grad():
            return net.eval()(padded.unsqueeze(0))[0, :, :height, :width]
    finally:
        _put_back(modes)


denoise.equivalent(
    "return net(padded)[0, :, :height, :width] -> return net(padded)[(-1), :, :height, :width]",
    "In a batch of one the first picture is the last.")
