"""How `receptive_field` is examined."""

import math

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise

from .shared import _but_for_an_offset, _whole


def _extent_of_what_is_seen(layers):
    """Follows one output back to the set of inputs that it sees."""
    seen = {0}
    for kernel_size, stride, dilation in reversed(layers):
        seen = {place * stride + dilation * tap for place in seen for tap in range(kernel_size)}
    return max(seen) - min(seen) + 1


def _view_and_list(impl, layers):
    """The view, and what the answer has left of the list."""
    return {"the view": impl(layers), "the list afterwards": layers}


@exercise(points=9, reference=_extent_of_what_is_seen)
def receptive_field(impl, draw):
    yield aspect("first layers", "Without a layer an output is an input: `receptive_field([])` is 1. One plain layer "
                 "sees its kernel.", lambda: [impl([]), *(impl([(size, 1, 1)]) for size in (1, 3, 4, 7))])
    yield aspect("stacks", "Without strides, each further layer widens the view by `kernel_size - 1`.",
                 lambda: [impl([(_whole(draw, 2, 8), 1, 1) for _ in range(depth)]) for depth in (2, 3, 5)],
                 view=_but_for_an_offset)
    yield aspect("stride", "A stride spreads out all layers behind it, but not the layer itself.",
                 lambda: [impl([(_whole(draw, 2, 6), 2, 1)]), impl([(3, 3, 1), (_whole(draw, 2, 6), 1, 1)]),
                          impl([(_whole(draw, 2, 6), stride, 1) for stride in (2, 1, 3, 1)]),
                          impl([(3, 2, 1)] * _whole(draw, 3, 6))], view=_but_for_an_offset)
    yield aspect("dilation", "A dilation pulls the kernel apart; the holes count into the view.",
                 lambda: [impl([(_whole(draw, 2, 6), 1, dilation)]) for dilation in (2, 3)]
                 + [impl([(3, 1, 1), (_whole(draw, 2, 5), 1, 4), (3, 1, 2)])], view=_but_for_an_offset)
    yield aspect("whole networks", "Kernel, stride and dilation may change from layer to layer; the list itself stays "
                 "as it was.",
                 lambda: [_view_and_list(impl, [(_whole(draw, 1, 6), stride, _whole(draw, 1, 4)) for stride in strides])
                          for strides in ((2, 1, 2), (3, 2, 1, 2), (1, 2, 2, 1, 3))]
                 + [_view_and_list(impl, [(7, 2, 1), (3, 2, 1), (3, 1, 1), (3, 1, 2)])], view=_but_for_an_offset)


@receptive_field.misconception("The strides were added up. Each one stretches what comes behind it, so they multiply: "
                               "after strides 2, 2 and 2 one step is worth 8 pixels.")
def adds_up_the_strides(layers):
    field, jump = 1, 1
    for number, (kernel_size, stride, dilation) in enumerate(layers):
        field += dilation * (kernel_size - 1) * jump
        jump = stride if number == 0 else jump + stride
    return field


@receptive_field.misconception("The strides were ignored. Behind a stride of 2, neighbours lie two input pixels apart, "
                               "so every further kernel reaches twice as far.")
def ignores_all_strides(layers):
    return 1 + sum(dilation * (kernel_size - 1) for kernel_size, _, dilation in layers)


@receptive_field.misconception("Only the stride of the layer just before was used. All strides before a layer "
                               "multiply.")
def uses_the_last_stride_only(layers):
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        field += dilation * (kernel_size - 1) * jump
        jump = stride
    return field


@receptive_field.misconception("A layer's own stride was used for its own window. A single 3×3 layer with stride 2 "
                               "still sees 3 pixels: multiply by the strides before it only.")
def strides_too_early(layers):
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        jump *= stride
        field += dilation * (kernel_size - 1) * jump
    return field


@receptive_field.misconception("The dilation was ignored. A kernel of 3 with dilation 2 reaches from its first to its "
                               "last number over 5 pixels.")
def ignores_the_dilation(layers):
    return _extent_of_what_is_seen([(kernel_size, stride, 1) for kernel_size, stride, _ in layers])


@receptive_field.misconception("A dilated kernel was taken to be dilation × kernel_size long. It has one gap fewer "
                               "than numbers: dilation × (kernel_size − 1) + 1.")
def stretches_too_far(layers):
    return _extent_of_what_is_seen([(dilation * kernel_size, stride, 1) for kernel_size, stride, dilation in layers])


@receptive_field.misconception("The count starts from 0. Before the first layer an output is one pixel, and that pixel "
                               "is part of the view.")
def starts_from_zero(layers):
    return _extent_of_what_is_seen(layers) - 1


@receptive_field.misconception("The kernel sizes were added. Two 3×3 layers see 5 pixels, not 6: the second window "
                               "starts from a pixel that is already counted.")
def adds_the_kernel_sizes(layers):
    field, jump = 0, 1
    for kernel_size, stride, dilation in layers:
        field += (dilation * (kernel_size - 1) + 1) * jump
        jump *= stride
    return max(field, 1)


@receptive_field.misconception("Each layer widened the view by its whole kernel. One number of the kernel lies on the "
                               "pixel that is counted already; only the others reach further.")
def widens_by_the_whole_kernel(layers):
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        field += dilation * kernel_size * jump
        jump *= stride
    return field


@receptive_field.misconception("The dilation was multiplied on with the strides. It pulls one layer's kernel apart and "
                               "leaves the layers behind alone: its outputs still lie `stride` apart.")
def carries_the_dilation_on(layers):
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        field += dilation * (kernel_size - 1) * jump
        jump *= stride * dilation
    return field


@receptive_field.misconception("Stride and dilation are exchanged. A layer's tuple is (kernel_size, stride, dilation).")
def exchanges_stride_and_dilation(layers):
    return _extent_of_what_is_seen([(kernel_size, dilation, stride) for kernel_size, stride, dilation in layers])


@receptive_field.misconception("The number is right, but the caller's list was turned around: `reverse()` works on the "
                               "list itself. `reversed(layers)` leaves it alone.")
def turns_the_list_around(layers):
    layers.reverse()
    return _extent_of_what_is_seen(layers[::-1])


@receptive_field.misconception("The number is right, but the caller's list is empty afterwards: `pop` takes the layers "
                               "out of it. Walk through the list without changing it.", literal=True)
def empties_the_list(layers):
    field = _extent_of_what_is_seen(layers)
    layers.clear()
    return field


@receptive_field.misconception("The layers were taken from the last to the first. What stretches a layer are the "
                               "strides between it and the picture.")
def begins_at_the_end(layers):
    return _extent_of_what_is_seen(list(reversed(layers)))


@receptive_field.misconception("Only pixels that were really touched were counted. The view reaches from the first to "
                               "the last one; holes count.")
def counts_touched_pixels(layers):
    seen = {0}
    for kernel_size, stride, dilation in reversed(layers):
        seen = {place * stride + dilation * tap for place in seen for tap in range(kernel_size)}
    return len(seen)


@receptive_field.misconception("The function returns after the first layer: `return` is indented too far and stands "
                               "inside the loop.")
def returns_after_the_first_layer(layers):
    return _extent_of_what_is_seen(layers[:1])


@receptive_field.misconception("Each stride added its surplus over 1 to the step. Strides multiply: after strides 2, 2 "
                               "and 2 one step is worth 8 pixels, not 4.")
def adds_what_strides_have_over_one(layers):
    field, jump = 1, 1
    for kernel_size, stride, dilation in layers:
        field += dilation * (kernel_size - 1) * jump
        jump += stride - 1
    return field


@receptive_field.misconception("The view was multiplied by the stride while going up the layers. What a stride "
                               "stretches is what comes behind it: carry a second number along.")
def multiplies_the_view(layers):
    field = 1
    for kernel_size, stride, dilation in layers:
        field = field * stride + dilation * (kernel_size - 1)
    return field


@receptive_field.misconception("The number is right, but it is a float, and the task wants an `int`. (`np.prod` of no "
                               "numbers is 1.0; `math.prod` gives 1.)", literal=True)
def gives_a_float(layers):
    return float(_extent_of_what_is_seen(layers))


@receptive_field.misconception("`receptive_field([])` is not 1 in your code. Without a layer an output is one pixel "
                               "of the picture, and sees itself.", literal=True)
def sees_nothing_without_layers(layers):
    return _extent_of_what_is_seen(layers) if layers else 0


@receptive_field.misconception("The list was taken to have a first layer, and an empty one stopped the function. "
                               "Begin with a view of 1, and let every layer widen it.", literal=True)
def wants_a_first_layer(layers):
    layers[0]
    return _extent_of_what_is_seen(layers)


@receptive_field.misconception("Of all strides before a layer only the largest was used. They multiply: after strides "
                               "2, 2 and 2 one step is worth 8 pixels.")
def uses_the_largest_stride(layers):
    view, step = 1, 1
    for kernel_size, stride, dilation in layers:
        view, step = view + dilation * (kernel_size - 1) * step, max(step, stride)
    return view


@receptive_field.misconception("The dilation was added to the kernel's size once. Each of its kernel_size − 1 gaps "
                               "grows by dilation − 1.")
def adds_the_dilation_once(layers):
    view, step = 1, 1
    for kernel_size, stride, dilation in layers:
        view, step = view + (kernel_size + dilation - 2) * step, step * stride
    return view


@receptive_field.alternative
def grows_by_jumps(layers):
    field = jump = 1
    for kernel_size, stride, dilation in layers:
        field, jump = field + jump * dilation * (kernel_size - 1), jump * stride
    return field


@receptive_field.alternative
def walks_back(layers):
    size = 1
    for kernel_size, stride, dilation in layers[::-1]:
        size = (size - 1) * stride + dilation * (kernel_size - 1) + 1
    return size


@receptive_field.alternative
def asks_autograd(layers):
    size = 1 + sum(dilation * (kernel_size - 1) * math.prod(stride for _, stride, _ in layers)
                   for kernel_size, _, dilation in layers)
    x = torch.ones(1, 1, size, dtype=torch.float64, requires_grad=True)
    out = x
    for kernel_size, stride, dilation in layers:
        out = F.conv1d(out, torch.ones(1, 1, kernel_size, dtype=torch.float64), stride=stride, dilation=dilation)
    gradient, = torch.autograd.grad(out[0, 0, 0], x)
    places = gradient[0, 0].nonzero()
    return int(places.max() - places.min()) + 1


@receptive_field.alternative
def as_a_sum_of_products(layers):
    jumps = [1]
    for _, stride, _ in layers:
        jumps.append(jumps[-1] * stride)
    return 1 + sum(jump * dilation * (kernel_size - 1)
                   for jump, (kernel_size, _, dilation) in zip(jumps, layers, strict=False))
