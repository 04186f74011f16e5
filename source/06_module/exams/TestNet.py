"""How `TestNet` is examined."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise


class PlainTestNet(nn.Module):
    """(N, 1, 28, 28) to (N, 10)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, kernel_size=3, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


def _filled_by_shape(module, base):
    """Parameters filled with numbers that depend on their shapes alone: names and order are free."""
    with torch.no_grad():
        for parameter in module.parameters():
            place = 0
            for size in parameter.shape:
                place = (1009 * place + size) % 2**30
            generator = torch.Generator().manual_seed(base + place)
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return module


@exercise(points=9, reference=PlainTestNet)
def TestNet(impl, draw):
    def net():
        return _filled_by_shape(impl(), draw.seed())

    def other_sizes():
        made = net().eval()
        images = draw.normal(5, 1, 28, 28)
        five, one = made(images), made(images[1:2])
        return {"five images": list(five.shape), "one image": list(one.shape),
                "an image alone has the scores that it has among five": torch.allclose(one, five[1:2], atol=1e-4),
                "all five have the same scores": torch.allclose(five[:1].expand_as(five), five)}

    def parameters():
        found = list(impl().parameters())
        shapes = [str(tuple(parameter.shape)) for parameter in found]
        return {"how many of each shape": {shape: shapes.count(shape) for shape in shapes},
                "numbers": sum(parameter.numel() for parameter in found),
                "frozen": sum(not parameter.requires_grad for parameter in found)}

    def twice():
        made, x = net(), draw.normal(2, 1, 28, 28)
        first, second, other = made(x), made(x), made(x + 1)
        return {"shape": list(first.shape), "the same image gives the same": torch.equal(first, second),
                "another image gives the same": torch.equal(first, other),
                "numbers to train": sum(parameter.numel() for parameter in made.parameters())}

    def saved():
        made, fresh = net().eval(), _filled_by_shape(impl(), draw.seed()).eval()
        x = draw.normal(2, 1, 28, 28)
        scores, before = made(x), fresh(x)
        fresh.load_state_dict(made.state_dict())
        return {"shape": list(scores.shape), "the same before loading": torch.allclose(before, scores),
                "the same after loading": torch.allclose(fresh(x), scores)}

    def trained():
        made = net()
        F.cross_entropy(made(draw.normal(3, 1, 28, 28)), draw.integers(0, 10, 3)).backward()
        grads = {str(tuple(parameter.shape)): parameter.grad for parameter in made.parameters()}
        weights = sorted(name for name, grad in grads.items() if grad is not None and grad.ndim > 1 and grad.any())
        return {"weights that have one": len(weights),
                "parameters that have none": sum(grad is None for grad in grads.values())}

    yield aspect("values",
                 "Convolution, pool, flatten, linear, in this order and nothing else: what comes out are raw scores, "
                 "(N, 1, 28, 28) to (N, 10).",
                 lambda: net()(draw.normal(3, 1, 28, 28)),
                 weight=3)
    yield aspect("batches",
                 "The batch may have any size, one image included.",
                 other_sizes)
    yield aspect("parameters",
                 "Four parameters, 31,530 numbers, and all of them are found by `parameters()`.",
                 parameters)
    yield aspect("twice",
                 "The layers are made once, in `__init__`: the same image gives the same scores twice.",
                 twice)
    yield aspect("state dict",
                 "A second net that loads the first one's state dict computes what the first one computes.",
                 saved)
    yield aspect("gradients",
                 "A backward pass leaves a gradient at every parameter.",
                 trained)


@TestNet.misconception("The linear layer was made for 1·14·14 numbers, as in the notes. The pool gives 16 channels of "
                       "14×14 each: all of them reach the linear layer.")
class ForgetsTheChannels(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(1 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("The convolution was given no `kernel_size`, as in the notes. It has no default: a convolution "
                       "without a window is none.")
class ForgetsTheKernel(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, stride=1, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("`super().__init__()` is missing. It makes the registers into which a module enters its layers: "
                       "before it has run, no layer can be assigned.")
class ForgetsSuper(nn.Module):
    def __init__(self):
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("The layers are in a Python list or dictionary, or stand on the class. A module does not look "
                       "there: `parameters()` finds nothing, nothing is trained or saved. Assign them to `self`.",
                       literal=True)
class KeepsThemInAList(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 14 * 14, 10)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@TestNet.misconception("The layers are made in `forward`: every call starts from new random numbers, and the net can "
                       "neither learn nor be saved. Make them in `__init__`, use them in `forward`.")
class MakesThemInForward(nn.Module):
    def forward(self, x):
        x = nn.Conv2d(1, 16, 3, padding=1)(x)
        return nn.Linear(16 * 14 * 14, 10)(F.max_pool2d(x, 2).flatten(1))


@TestNet.misconception("The linear layer is made in `forward`: each call makes a new one of new random numbers, and "
                       "no optimizer ever sees it. Work its size out, and make it in `__init__`.")
class MakesTheLinearInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 3, padding=1)

    def forward(self, x):
        x = F.max_pool2d(self.conv(x), 2).flatten(1)
        return nn.Linear(x.shape[1], 10)(x)


@TestNet.misconception("The border was not padded: the convolution gives 26×26, the pool 13×13, and the linear layer "
                       "has 16·13·13 inputs. The task wants the size kept, 28×28.")
class ForgetsThePadding(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 13 * 13, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("A softmax stands at the end. The task wants raw scores: cross-entropy takes the softmax "
                       "itself, and two in a row make the gradients small.")
class EndsInASoftmax(PlainTestNet):
    def forward(self, x):
        return self.net(x).softmax(1)


@TestNet.misconception("A log-softmax stands at the end. That belongs to `nll_loss`; the task wants the raw scores, as "
                       "cross-entropy does, which takes the log-softmax itself.")
class EndsInALogSoftmax(PlainTestNet):
    def forward(self, x):
        return self.net(x).log_softmax(1)


@TestNet.misconception("The convolution has no bias. Before a normalisation one leaves it out, but none follows here, "
                       "and the task counts 16·1·3·3 + 16 numbers.")
class ForgetsTheBias(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("A BatchNorm was added. It is the notes' next net that has one; this one has four layers and "
                       "four parameters.")
class AddsABatchNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("The convolution's window is 5×5. The task has 3×3 with padding 1, which keeps the size, too.")
class TakesAWiderWindow(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 5, padding=2), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("The border was padded by reflection. Padding 1, where nothing else is said, means zeros.")
class PadsByReflection(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, padding_mode="reflect"), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("There is no pool: the convolution has stride 2 instead. The shapes agree, but the net of the "
                       "task looks at every window and keeps the largest of four.")
class StridesInsteadOfPooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.Flatten(), nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("In train mode the same image gives other scores each time: there is a Dropout. The task has "
                       "four layers, and nothing else.", literal=True)
class AddsADropout(PlainTestNet):
    def forward(self, x):
        convolution, pool, flatten, linear = self.net
        return linear(F.dropout(flatten(pool(convolution(x))), 0.5, self.training))


@TestNet.misconception("The pool averages. The notes' net, and the task, keep the largest of each 2×2 window.")
class PoolsTheMean(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.AvgPool2d(2), nn.Flatten(),
                                 nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("There is no flatten before the linear layer. It works on the last dimension alone and meets "
                       "rows of 14 numbers where it was made for 3,136.")
class ForgetsTheFlatten(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Linear(16 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("An activation was added. A good idea in a real net, but the task's net has four layers and no "
                       "ReLU.")
class AddsARelu(PlainTestNet):
    def forward(self, x):
        convolution, pool, flatten, linear = self.net
        return linear(flatten(pool(convolution(x).relu())))


@TestNet.misconception("`view(1, −1)` makes a single row of the whole batch. Keep the first dimension: `start_dim=1`.")
class FlattensToOneRow(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 16, 3, padding=1), nn.Linear(16 * 14 * 14, 10)

    def forward(self, x):
        return self.fc(F.max_pool2d(self.conv(x), 2).view(1, -1))


@TestNet.misconception("The batch's axis is lost where it is 1, as `squeeze()` does: one image has scores of the "
                       "shape (1, 10).", literal=True)
class SqueezesTheScores(PlainTestNet):
    def forward(self, x):
        return super().forward(x).squeeze()


@TestNet.misconception("A lazy layer (`nn.LazyLinear`) has no numbers before the first batch: the 31,530 are not there "
                       "yet. Work out how many numbers reach the linear layer.")
class WaitsForTheFirstBatch(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("The convolution gives 32 channels. The task has 16.")
class HasTwiceTheChannels(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(),
                                 nn.Linear(32 * 14 * 14, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("There is no pool, and the linear layer was made for 16·28·28 numbers. A 2×2 max pool stands "
                       "between convolution and flatten.")
class ForgetsThePool(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.Flatten(), nn.Linear(16 * 28 * 28, 10))

    def forward(self, x):
        return self.net(x)


@TestNet.misconception("The pool comes before the convolution. The shapes agree; the task's order is convolution, "
                       "pool, flatten, linear.")
class PoolsFirst(PlainTestNet):
    def forward(self, x):
        convolution, pool, flatten, linear = self.net
        return linear(flatten(convolution(pool(x))))


@TestNet.misconception("The channels were put last before flattening: the linear layer meets the right numbers in "
                       "another order. Flatten what the pool gives as it is.")
class FlattensChannelsLast(PlainTestNet):
    def forward(self, x):
        convolution, pool, flatten, linear = self.net
        return linear(flatten(pool(convolution(x)).movedim(1, -1)))


@TestNet.misconception("The result is a class for each image (`argmax`). The task asks for the ten scores: the loss "
                       "needs all of them.")
class ChoosesAClass(PlainTestNet):
    def forward(self, x):
        return self.net(x).argmax(1)


@TestNet.misconception("The scores are cut off from the graph (`no_grad`, `detach`): nothing can be learned from them.")
class RunsWithoutGradients(PlainTestNet):
    def forward(self, x):
        return self.net(x).detach()


@TestNet.misconception("Something was done to the images before the convolution, as 0.1307 and 0.3081 do for MNIST. "
                       "The net takes them as they come.")
class NormalisesTheImages(PlainTestNet):
    def forward(self, x):
        return self.net((x - 0.1307) / 0.3081)


@TestNet.alternative
class LazyAndTriedOut(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.LazyConv2d(16, 3, padding=1), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(10))
        with torch.no_grad():
            self.net(torch.zeros(1, 1, 28, 28))

    def forward(self, x):
        return self.net(x)


@TestNet.alternative
class NamedLayers(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, kernel_size=(3, 3), stride=1, padding=1)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)
        self.fc = nn.Linear(3136, 10)

    def forward(self, x):
        x = self.pool(self.conv(x))
        return self.fc(x.flatten(start_dim=1))


@TestNet.alternative
class LinearFirst(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(16 * 14 * 14, 10)
        self.body = nn.ModuleList([nn.Conv2d(1, 16, 3, padding="same"), nn.MaxPool2d(2)])

    def forward(self, x):
        for layer in self.body:
            x = layer(x)
        return self.head(x.reshape(len(x), -1))


@TestNet.alternative
class OwnParameters(nn.Module):
    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(16, 1, 3, 3) / 3)
        self.kernel_bias = nn.Parameter(torch.zeros(16))
        self.matrix = nn.Parameter(torch.randn(10, 3136) / 56)
        self.matrix_bias = nn.Parameter(torch.zeros(10))

    def forward(self, x):
        x = F.conv2d(x, self.kernel, self.kernel_bias, padding=1)
        x = x.unflatten(2, (14, 2)).unflatten(4, (14, 2)).amax(dim=(3, 5))
        return F.linear(x.flatten(1), self.matrix, self.matrix_bias)
