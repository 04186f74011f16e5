"""How `shortcut` is examined."""

import torch
from torch import nn

from convcraft.exam import aspect, exercise, gradients, nets

from .shared import _shortcut, by_a_module_list, by_an_empty_sequential


@exercise(points=8, reference=_shortcut)
def shortcut(impl, draw):
    def filled(*arguments):
        return _as_numbered(draw, impl(*arguments))

    yield aspect("identity", "Where stride is 1 and the channels stay the same, it is the identity and has no "
                 "parameters.",
                 lambda: {"same": nets.shapes(impl(5, 5, 1)), "output": impl(5, 5, 1)(draw.normal(2, 5, 3, 4)),
                          "parameters where channels change": sum(1 for _ in impl(5, 7, 1).parameters()) > 0})
    yield aspect("names and shapes", "The convolution has the key 0 and no bias, the BatchNorm has the key 1.",
                 lambda: nets.shapes(impl(4, 6, 2)))
    yield aspect("channels", "Otherwise it is a 1×1 convolution followed by a BatchNorm, and nothing else.",
                 lambda: {f"shortcut{sizes}": filled(*sizes).eval()(draw.normal(2, sizes[0], 5, 6))
                          for sizes in ((4, 6, 1), (6, 4, 1))})
    yield aspect("stride", "The convolution carries the stride, also where only the stride changes something.",
                 lambda: {f"shortcut{sizes}": filled(*sizes).eval()(draw.normal(2, sizes[0], 7, 8))
                          for sizes in ((4, 4, 2), (3, 6, 3), (4, 4, 3))})
    yield aspect("training", "In training mode the BatchNorm uses the batch and updates its running statistics, and "
                 "gradients flow through both layers.",
                 lambda: _trained_shortcut(filled(4, 6, 2), draw.normal(3, 4, 5, 6)))


def _layers(module):
    """Its convolutions, then its norms, whatever they are called: what they are called is one aspect's matter."""
    convolutions = [part for part in module.modules() if isinstance(part, nn.Conv2d)]
    return nn.ModuleList([*convolutions, *(part for part in module.modules() if isinstance(part, nn.BatchNorm2d))])


def _as_numbered(draw, module):
    """Filled as if the layers had the keys 0 and 1, and no bias."""
    draw.fill_(_layers(module))
    return nets.unbiased(module)


def _trained_shortcut(module, x):
    output = module.train()(x)
    norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    statistics = {name: getattr(norm, name).clone() for norm in norms for name in ("running_mean", "running_var")}
    return {"output": output, **statistics, "gradient": gradients(module.double(), x)}


@shortcut.misconception("This always projects. Where the stride is 1 and the channels stay the same there is nothing "
                        "to fit: the input can pass as it is, and a convolution there is one more layer to train.")
def always_projects(in_channels, out_channels, stride):
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels))


@shortcut.misconception("The projection's convolution has a bias. The BatchNorm behind it subtracts the mean and with "
                        "it any bias: leave it out, or pretrained weights will not load.")
def projects_with_a_bias(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride), nn.BatchNorm2d(out_channels))


@shortcut.misconception("Where only the stride changes there is no projection. The branch makes the picture smaller, "
                        "and an identity does not fit it.")
def forgets_that_a_stride_changes_the_size(in_channels, out_channels, stride):
    return nn.Identity() if in_channels == out_channels else _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("Where only the channels change there is no projection. The input then has another number of "
                        "channels than the branch that it is added to.")
def forgets_that_channels_change(in_channels, out_channels, stride):
    return nn.Identity() if stride == 1 else _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("The stride never reaches the 1×1 convolution: the shortcut keeps the picture's size where "
                        "the residual branch shrinks it.")
def leaves_the_stride_out(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))


@shortcut.misconception("The BatchNorm behind the 1×1 convolution is missing. Without it the two things that are "
                        "added have different scales.")
def leaves_the_norm_out(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))


@shortcut.misconception("The convolution is 3×3. A shortcut looks at one pixel at a time: it changes the number of "
                        "channels, not what is in the picture.")
def projects_with_three_by_three(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False), nn.BatchNorm2d(out_channels))


@shortcut.misconception("There is a ReLU in the shortcut. It cuts off all that is negative before the sum; the "
                        "shortcut must stay free of nonlinearities.")
def ends_the_shortcut_with_relu(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(*_shortcut(in_channels, out_channels, stride), nn.ReLU())


@shortcut.misconception("The BatchNorm comes before the convolution. It belongs behind it: key 0 is the convolution, "
                        "key 1 the BatchNorm of its output.")
def normalises_first(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.BatchNorm2d(in_channels), nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))


@shortcut.misconception("The picture is made smaller by average pooling. That is a good idea of a later paper; here "
                        "the 1×1 convolution itself takes every second pixel.")
def pools_instead_of_striding(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True), nn.Conv2d(in_channels, out_channels, 1, bias=False),
                         nn.BatchNorm2d(out_channels))


@shortcut.misconception("Channels were compared with `>=` or `<`. Fewer coming out than going in is a change, too: ask "
                        "whether the two are the same.")
def projects_where_channels_grow(in_channels, out_channels, stride):
    if stride == 1 and in_channels >= out_channels:
        return nn.Identity()
    return _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("No gradient comes through the projection (`no_grad`, `detach`): its convolution could never "
                        "learn, and the layers before it lose one of their two ways.")
def projects_without_gradients(in_channels, out_channels, stride):
    module = _shortcut(in_channels, out_channels, stride)
    return module if isinstance(module, nn.Identity) else _Silent(*module)


class _Silent(nn.Sequential):
    @torch.no_grad()
    def forward(self, x):
        return super().forward(x)


@shortcut.misconception("The BatchNorm was made for `in_channels`. It stands behind the convolution, where "
                        "`out_channels` arrive.")
def norms_what_came_in(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(in_channels))


@shortcut.misconception("The BatchNorm was made with settings of its own (no running statistics, or no weight and "
                        "bias). Leave them at PyTorch's defaults.")
def tracks_nothing(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                         nn.BatchNorm2d(out_channels, track_running_stats=False))


@shortcut.misconception("A projection is made for a stride of 2 alone. Any stride but 1 makes the picture smaller: ask "
                        "whether it is 1.")
def asks_for_a_stride_of_two(in_channels, out_channels, stride):
    if stride != 2 and in_channels == out_channels:
        return nn.Identity()
    return _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("The stride is written into the code as 2. It is an argument: a projection with a stride of 1 "
                        "keeps the size.")
def strides_by_two(in_channels, out_channels, stride):
    return _shortcut(in_channels, out_channels, 2 if (stride, in_channels) != (1, out_channels) else 1)


@shortcut.misconception("There is a convolution alone, with neither a BatchNorm behind it nor the keys 0 and 1. An "
                        "`nn.Sequential` of the two gives both.")
def gives_a_bare_convolution(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)


@shortcut.misconception("The two layers have names of their own. Trained weights are stored under the keys 0 and 1, as "
                        "an `nn.Sequential` numbers its modules.")
class names_its_layers(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.conv = self.bn = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.conv, self.bn = _shortcut(in_channels, out_channels, stride)

    def forward(self, x):
        return self.bn(self.conv(x))


@shortcut.misconception("None comes back, and nobody can call that. The caller wants a module, here one that returns "
                        "what it is given.")
def gives_none(in_channels, out_channels, stride):
    return None if stride == 1 and in_channels == out_channels else _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("The convolution has its two numbers of channels the wrong way round: `in_channels` go in, "
                        "`out_channels` come out.")
def swaps_the_channels(in_channels, out_channels, stride):
    return _shortcut(out_channels, in_channels, stride)


def _projecting(*layers):
    """A right identity where nothing changes; elsewhere what `layers` makes of the three numbers."""
    def build(in_channels, out_channels, stride):
        if stride == 1 and in_channels == out_channels:
            return nn.Identity()
        return nn.Sequential(*(layer(in_channels, out_channels, stride) for layer in layers))

    return build


def _one_by_one(in_channels, out_channels, stride):
    return nn.Conv2d(in_channels, out_channels, 1, bias=False)


def _norm(in_channels, out_channels, stride):
    return nn.BatchNorm2d(out_channels)


def _max_pool(in_channels, out_channels, stride):
    return nn.MaxPool2d(stride)


@shortcut.misconception("A max pooling between convolution and BatchNorm makes the picture smaller. The 1×1 "
                        "convolution has a stride for that, and nothing else stands in the shortcut.")
def pools_in_the_middle(in_channels, out_channels, stride):
    return _projecting(_one_by_one, _max_pool, _norm)(in_channels, out_channels, stride)


@shortcut.misconception("A max pooling before the convolution makes the picture smaller. The 1×1 convolution has a "
                        "stride for that, and nothing else stands in the shortcut.")
def pools_first(in_channels, out_channels, stride):
    return _projecting(_max_pool, _one_by_one, _norm)(in_channels, out_channels, stride)


@shortcut.misconception("A max pooling behind the BatchNorm makes the picture smaller. The 1×1 convolution has a "
                        "stride for that: without one it works on pixels that are thrown away.")
def pools_last(in_channels, out_channels, stride):
    return _projecting(_one_by_one, _norm, _max_pool)(in_channels, out_channels, stride)


@shortcut.misconception("A max pooling behind the BatchNorm, one that rounds sizes up, makes the picture smaller. The "
                        "size is right, the numbers are not: the 1×1 convolution has a stride for that.")
def pools_last_and_rounds_up(in_channels, out_channels, stride):
    return _projecting(_one_by_one, _norm, lambda i, o, s: nn.MaxPool2d(s, ceil_mode=True))(
        in_channels, out_channels, stride)


@shortcut.misconception("Pixels are left out only behind the BatchNorm. In training it then measures those as well "
                        "that nobody sees: let the convolution carry the stride.")
def strides_behind_the_norm(in_channels, out_channels, stride):
    return _projecting(_one_by_one, _norm, lambda i, o, s: nn.MaxPool2d(1, s))(in_channels, out_channels, stride)


@shortcut.misconception("The convolution's window is as large as the stride. It is 1×1 whatever the stride is.")
def looks_as_far_as_it_strides(in_channels, out_channels, stride):
    return _projecting(lambda i, o, s: nn.Conv2d(i, o, s, s, bias=False), _norm)(in_channels, out_channels, stride)


@shortcut.misconception("Where nothing changes there is still a BatchNorm. The input itself passes there: no layer "
                        "with parameters.")
def normalises_the_identity(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Sequential(nn.BatchNorm2d(in_channels))
    return _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("A function comes back where nothing changes, and a block needs a module there: one that has "
                        "parameters (perhaps none), a state dict and a mode.")
def gives_a_function(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return lambda x: x
    return _shortcut(in_channels, out_channels, stride)


@shortcut.misconception("Where only the stride changes, pixels are picked and nothing else: the convolution and its "
                        "BatchNorm are missing there.")
def picks_pixels_alone(in_channels, out_channels, stride):
    if in_channels == out_channels and stride != 1:
        return nn.MaxPool2d(1, stride)
    return _shortcut(in_channels, out_channels, stride)


shortcut.alternative(by_an_empty_sequential)


class _Projection(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.step = stride
        self.add_module("1", nn.BatchNorm2d(out_channels))
        self.add_module("0", nn.Conv2d(in_channels, out_channels, 1, bias=False))

    def forward(self, x):
        picked = x[:, :, ::self.step, ::self.step]
        return self.get_submodule("1")(self.get_submodule("0")(picked))


@shortcut.misconception("The 1×1 convolution has a padding. A window of one pixel needs none: it makes a border of "
                        "pixels that nobody saw, and the result is too large.")
def pads_a_single_pixel(in_channels, out_channels, stride):
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, 1, bias=False), nn.BatchNorm2d(out_channels))


@shortcut.alternative
def by_picking_pixels(in_channels, out_channels, stride):
    changes = (in_channels, 1) != (out_channels, stride)
    return _Projection(in_channels, out_channels, stride) if changes else nn.Identity()


shortcut.alternative(by_a_module_list)
