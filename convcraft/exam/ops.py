"""What an answer may not fall back on, and how it is seen.

A ban names ATen operators. They are seen below Python, whatever the call was written as: `F.conv2d`, `nn.Conv2d`,
`torch.ops.aten.convolution` and a compiled function end in the same operator. Some PyTorch functions are taken apart on
the way down, as average pooling to one place is into a mean: so calls are heard by their names, too. `AUTOGRAD` stands
for the use of autograd, which is seen by the tensors that it saves.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

AUTOGRAD = frozenset({"autograd"})
CONVOLUTION = frozenset({
    "aten::convolution", "aten::_convolution", "aten::convolution_overrideable", "aten::mkldnn_convolution",
    "aten::_slow_conv2d_forward", "aten::thnn_conv2d", "aten::conv2d", "aten::convolution_backward",
    "aten::conv_transpose2d", "aten::im2col", "aten::col2im",
})
UPSAMPLING = frozenset({
    "aten::upsample_nearest1d", "aten::upsample_nearest2d", "aten::_upsample_nearest_exact2d",
    "aten::upsample_linear1d", "aten::upsample_bilinear2d", "aten::_upsample_bilinear2d_aa",
    "aten::upsample_bicubic2d", "aten::upsample_trilinear3d", "aten::grid_sampler_2d", "aten::grid_sampler_3d",
    "aten::pixel_shuffle",
})
POOLING = UPSAMPLING | frozenset({
    "aten::max_pool1d", "aten::max_pool2d", "aten::max_pool2d_with_indices", "aten::max_pool3d_with_indices",
    "aten::max_pool2d_with_indices_backward", "aten::mkldnn_max_pool2d", "aten::quantized_max_pool2d",
    "aten::avg_pool1d", "aten::avg_pool2d", "aten::avg_pool3d", "aten::avg_pool2d_backward",
    "aten::adaptive_avg_pool2d", "aten::_adaptive_avg_pool2d", "aten::_adaptive_avg_pool3d",
    "aten::adaptive_max_pool2d", "aten::adaptive_max_pool3d", "aten::fractional_max_pool2d",
    "aten::max_unpool2d",
})
NORM = frozenset({
    "aten::native_batch_norm", "aten::_native_batch_norm_legit", "aten::_native_batch_norm_legit_functional",
    "aten::_native_batch_norm_legit_no_training", "aten::_batch_norm_with_update", "aten::_batch_norm_no_update",
    "aten::batch_norm_stats", "aten::native_batch_norm_backward", "aten::cudnn_batch_norm",
    "aten::native_layer_norm", "aten::native_layer_norm_backward", "aten::native_group_norm",
    "aten::native_group_norm_backward", "aten::_fused_rms_norm", "aten::batch_norm", "aten::layer_norm",
    "aten::group_norm", "aten::instance_norm",
})


class _Listener(TorchDispatchMode):
    """Counts ATen operators and remembers which of the watched ones ran."""

    def __init__(self, watched: frozenset[str] = frozenset()):
        super().__init__()
        self.watched, self.seen, self.count = watched, set(), 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.count += 1
        name = function._schema.name
        if name in self.watched:
            self.seen.add(name)
        return function(*args, **(kwargs or {}))


class _Caller(TorchFunctionMode):
    """Remembers which of the watched operators a PyTorch function was called by the name of."""

    def __init__(self, watched: frozenset[str], seen: set[str]):
        super().__init__()
        self.watched, self.seen = watched, seen

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = "aten::" + getattr(function, "__name__", "").partition(".")[0]
        if name in self.watched:
            self.seen.add(name)
        return function(*args, **(kwargs or {}))


@contextmanager
def watched(bans: frozenset[str]) -> Iterator[set[str]]:
    """Yields a set that fills with the banned operators (and `"autograd"`) that run inside the block."""
    with ExitStack() as stack:
        listener = _Listener(bans)
        if bans - AUTOGRAD:
            stack.enter_context(listener)
            stack.enter_context(_Caller(bans, listener.seen))
        if bans >= AUTOGRAD:
            def pack(tensor):
                listener.seen.add("autograd")
                return tensor

            stack.enter_context(torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor))
        try:
            yield listener.seen
        except RuntimeError as error:
            if bans >= AUTOGRAD and "saved tensor hooks" in str(error):  # torch.func refuses to be watched
                listener.seen.add("autograd")
            raise


@contextmanager
def unwatched() -> Iterator[None]:
    """A block in which a probe itself may use operators that the exercise bans."""
    saved_as_they_are = torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor, lambda tensor: tensor)
    with torch._C.DisableTorchFunction(), _disable_current_modes(), saved_as_they_are:
        yield


def count_operators(thunk: Callable[[], object]) -> tuple[object, int]:
    """Run `thunk` and count the ATen operators that it runs: (its result, the count)."""
    with _Listener() as listener:
        result = thunk()
    return result, listener.count
