"""No sentence lies: answers that look a little like a known mistake, made another way, are not told of that mistake."""

import pytest
import torch
import torch.nn.functional as F
from conftest import EXAMS
from torch import nn

from convcraft.author.prove import examined

LIES = []


def lie(name: str, *parts: str):
    """Registers an answer to `name` that must lose points, and beginnings of sentences that would be lies about it."""
    def add(answer):
        LIES.append(pytest.param(name, parts, answer, id=f"{name}-{answer.__name__}"))
        return answer

    return add


@pytest.mark.parametrize(("name", "parts", "answer"), LIES)
def test_a_sentence_does_not_lie(name, parts, answer):
    exercise = EXAMS[name]
    sentences = [known.sentence for known in exercise.misconceptions]
    assert all(any(part in sentence for sentence in sentences) for part in parts), "the sentence has changed: mend this"
    verdict = examined(exercise, answer)
    assert verdict.points < exercise.points
    told = [sentence for sentence in verdict.diagnoses if any(part in sentence for part in parts)]
    assert not told


@lie("normalize", "left the graph")
def statistics_of_the_whole_picture(x, mean, std):
    return (x - x.mean((-2, -1), keepdim=True)) / x.std((-2, -1), keepdim=True)


@lie("normalize", "left the graph")
def own_statistics_with_n_minus_1(x, mean, std):
    axes = [axis for axis in range(x.ndim) if axis != x.ndim - 3]
    return (x - x.mean(axes, keepdim=True)) / (x.std(axes, keepdim=True) + 1e-7)


@lie("cross_correlate", "exchanged when")
def assumes_a_square_kernel(image, kernel):
    k = kernel.shape[0]
    rows = [torch.stack([(image[i:i + k, j:j + k] * kernel).sum() for j in range(image.shape[1] - k + 1)])
            for i in range(image.shape[0] - k + 1)]
    return torch.stack(rows)


@lie("cross_correlate", "exchanged when")
def assumes_a_square_kernel_of_its_width(image, kernel):
    k = kernel.shape[1]
    out = image.new_zeros(image.shape[0] - k + 1, image.shape[1] - k + 1)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (image[i:i + k, j:j + k] * kernel).sum()
    return out


@lie("ResBlock", "carry the stride", "carries the stride")
class FiveByFiveWithoutPadding(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 5, 1, 0, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                                            nn.BatchNorm2d(out_channels))

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.downsample(x))


def _normed(x, axes, weight, bias, eps):
    shape = (1, -1, *[1] * (x.ndim - 2))
    mean = x.mean(axes, keepdim=True)
    var = ((x - mean) ** 2).mean(axes, keepdim=True)
    return (x - mean) / (var + eps).sqrt() * weight.reshape(shape) + bias.reshape(shape)


@lie("batch_norm", "that is layer norm")
def averages_over_axis_1(x, weight, bias, eps=1e-5):
    return _normed(x, 1, weight, bias, eps)


@lie("batch_norm", "left `eps` out")
def adds_eps_to_the_quotient(x, weight, bias, eps=1e-5):
    axes, shape = [0, *range(2, x.ndim)], (1, -1, *[1] * (x.ndim - 2))
    mean = x.mean(axes, keepdim=True)
    root = ((x - mean) ** 2).mean(axes, keepdim=True).sqrt()
    return ((x - mean) / root + eps) * weight.reshape(shape) + bias.reshape(shape)


class _Norm(nn.Module):
    """A right BatchNorm2d whose buffers are made by `buffer`."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, affine=True, track_running_stats=True):
        super().__init__()
        self.eps, self.momentum, self.track_running_stats = eps, momentum, track_running_stats
        self.weight = nn.Parameter(torch.ones(num_features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(num_features)) if affine else None
        for name, start in (("running_mean", torch.zeros(num_features)), ("running_var", torch.ones(num_features)),
                            ("num_batches_tracked", torch.tensor(0))):
            self.register_buffer(name, start if track_running_stats else None, persistent=False)

    def forward(self, x):
        mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        if self.training and self.track_running_stats:
            with torch.no_grad():
                self.num_batches_tracked += 1
                share = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
                self.running_mean.copy_((1 - share) * self.running_mean + share * mean)
                self.running_var.copy_((1 - share) * self.running_var + share * x.var((0, 2, 3)))
        elif self.track_running_stats:
            mean, var = self.running_mean, self.running_var
        x = (x - mean[:, None, None]) / (var + self.eps).sqrt()[:, None, None]
        return x if self.weight is None else x * self.weight[:, None, None] + self.bias[:, None, None]


@lie("BatchNorm2d", "plain attributes")
class BuffersThatAreNotSaved(_Norm):
    pass


@lie("Linear", "starts at zero")
class BoundsTheBiasByOutFeatures(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        bound = in_features ** -0.5
        self.weight = nn.Parameter(torch.empty(out_features, in_features).uniform_(-bound, bound))
        bound = out_features ** -0.5
        self.bias = nn.Parameter(torch.empty(out_features).uniform_(-bound, bound)) if bias else None

    def forward(self, x):
        return x @ self.weight.T + (0 if self.bias is None else self.bias)


@lie("mixup", "Both pictures got")
def labels_as_whole_numbers(x, y, alpha, num_classes, generator=None):
    gammas = torch._standard_gamma(torch.full((2,), float(alpha), dtype=torch.float64), generator=generator)
    share = (gammas[0] / gammas.sum()).item()
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes)
    return share * x + (1 - share) * x[partner], (share * labels + (1 - share) * labels[partner]).long()


@lie("cutout", "upper left corner")
def draws_the_size_too(x, size, generator=None):
    height, width = (size, size) if isinstance(size, int) else size
    height = int(torch.randint(1, height + 1, (), generator=generator))
    width = int(torch.randint(1, width + 1, (), generator=generator))
    row = int(torch.randint(x.shape[-2], (), generator=generator))
    column = int(torch.randint(x.shape[-1], (), generator=generator))
    top, left = row - height // 2, column - width // 2
    out = x.clone()
    out[..., max(top, 0):top + height, max(left, 0):left + width] = 0
    return out


@lie("load_checkpoint", "Without `map_location`")
def moves_the_net_to_the_device(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    net.load_state_dict(checkpoint["net"])
    net.to(device)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@lie("relu", "step function", "still needs its numbers")
def clamps_a_clone_outside_the_graph(x):
    result = x.clone()
    with torch.no_grad():
        result.clamp_(min=0)
    return result


@lie("relu", "step function")
def clamps_the_data_of_a_clone(x):
    result = x.clone()
    result.data.clamp_(min=0)
    return result


@lie("relu", "step function")
def adds_a_clamped_clone_to_nothing(x):
    return 0 * x + x.detach().clone().clamp(min=0)


@lie("ReLUFunction", "an int64 takes 8 bytes")
class KeepsAMaskInFloat64(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward((x > 0).double())
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * ctx.saved_tensors[0].to(grad_out.dtype)


@lie("evaluate", "measured in training mode")
def only_norms_in_evaluation_mode(net, loader):
    modes = {module: module.training for module in net.modules()}
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
    right, count = 0, 0
    with torch.no_grad():
        for x, y in loader:
            right += (net(x).argmax(1) == y).sum().item()
            count += len(y)
    for module, mode in modes.items():
        module.training = mode
    return right / count


@lie("train_epoch", "never cleared")
def clears_once(net, loader, optimizer):
    net.train()
    optimizer.zero_grad()
    total, count = 0.0, 0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@lie("freeze", "`train()` called on a part inside")
def freezes_by_beginnings_and_once(net, prefix):
    for name, parameter in net.named_parameters():
        if name.startswith(prefix):
            parameter.requires_grad = False
    for name, module in net.named_modules():
        if name.startswith(prefix):
            module.eval()


@lie("grad_cam", "The map was divided by its largest number")
def squares_the_gradient(net, layer, x, label):
    kept = []
    handle = layer.register_forward_hook(lambda module, inputs, output: kept.append(output.detach().requires_grad_())
                                         or kept[0])
    try:
        gradient, = torch.autograd.grad(net(x)[0, label], kept)
    finally:
        handle.remove()
    return F.relu((gradient.square().mean((2, 3), keepdim=True) * kept[0]).sum(1))[0].detach()


@lie("count_cost", "divide neither channel number")
def checks_the_product_of_both_channel_numbers(in_channels, out_channels, kernel_size, out_size, groups=1, bias=True):
    (tall, wide), (height, width) = ((value if isinstance(value, tuple) else (value, value))
                                     for value in (kernel_size, out_size))
    if in_channels * out_channels % groups:
        raise ValueError
    weights = out_channels * (in_channels // groups) * tall * wide
    return weights + out_channels * bias, weights * height * width


@lie("sigmoid", "all else is right")
def leaves_zero_as_it_was_made(x):
    result = torch.zeros_like(x)
    result[x > 0] = 1 / (1 + torch.exp(-x[x > 0]))
    result[x < 0] = torch.exp(x[x < 0]) / (1 + torch.exp(x[x < 0]))
    return result


@lie("avg_pool2d", "as by `if pH and pW`")
def pads_never(x, kernel_size, stride=None, padding=0, count_include_pad=True):
    (tall, wide), (down, right) = ((value if isinstance(value, tuple) else (value, value))
                                   for value in (kernel_size, kernel_size if stride is None else stride))
    return x.unfold(2, tall, down).unfold(3, wide, right).mean((-2, -1))


TOLD = []


def told(name: str, part: str):
    """Registers an answer to `name` that makes a known mistake in its own way, stops somewhere, and is told of it."""
    def add(answer):
        TOLD.append(pytest.param(name, part, answer, id=f"{name}-{answer.__name__}"))
        return answer

    return add


@told("evaluate", "accuracies were averaged")
def averages_and_asks_for_the_length(net, loader):
    modes = {module: module.training for module in net.modules()}
    net.eval()
    with torch.no_grad():
        right = sum((net(x).argmax(1) == y).float().mean().item() for x, y in loader)
    for module, mode in modes.items():
        module.training = mode
    return right / len(loader)


@told("fold_batch_norm", "scaled the input channels")
def scales_the_inputs_and_needs_a_weight(conv, bn):
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation,
                       conv.groups, True, conv.padding_mode).to(conv.weight.dtype)
    with torch.no_grad():
        folded.weight.copy_(conv.weight * scale[None, :, None, None])
        folded.bias.copy_(((0 if conv.bias is None else conv.bias) - bn.running_mean) * scale + bn.bias)
    return folded


@pytest.mark.parametrize(("name", "part", "answer"), TOLD)
def test_an_error_hides_no_mistake_that_shows_elsewhere(name, part, answer):
    assert [sentence for sentence in examined(EXAMS[name], answer).diagnoses if part in sentence]
