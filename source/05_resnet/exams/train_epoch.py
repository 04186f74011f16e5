"""How `train_epoch` is examined."""

import torch
import torch.nn.functional as F
from torch import nn

from convcraft.exam import aspect, exercise

from .shared import _plain, _Watched


def _batches(draw, *counts):
    return [(draw.normal(count, 1, 2, 3), draw.integers(0, 4, count)) for count in counts]


def _weights(net):
    return dict(net.named_parameters())


def _epoch(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@exercise(points=8, reference=_epoch)
def train_epoch(impl, draw):
    def net_and_optimizer(lr, momentum=0.0):
        net = draw.fill_(_Watched())
        net.fc.weight.data *= 5  # so that no two losses are alike by chance
        return net, torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum)

    def mean_loss():
        net, optimizer = net_and_optimizer(0.0)
        return [_plain(impl(net, _batches(draw, 8, 8, 3), optimizer)) for _ in range(4)]

    def steps():
        net, optimizer = net_and_optimizer(0.2, 0.9)
        taken = []
        optimizer.register_step_post_hook(lambda *_: taken.append("step"))
        return {"result": _plain(impl(net, _batches(draw, 6, 6, 6), optimizer)), **_weights(net), "steps": len(taken)}

    def leftovers():
        net, optimizer = net_and_optimizer(0.5)
        for parameter in net.parameters():
            parameter.grad = draw.normal(*parameter.shape)
        return {"result": _plain(impl(net, _batches(draw, 6, 6), optimizer)), **_weights(net)}

    # What the steps are is asked by two aspects, and seen in a third; the others look at weights that stay.
    def mode():
        net, optimizer = net_and_optimizer(0.0)
        net.eval()
        return {"result": _plain(impl(net, _batches(draw, 5, 5), optimizer)),
                "in training mode, batch by batch": net.modes, "norm.running_mean": net.norm.running_mean,
                **_weights(net)}

    def graph():
        net, optimizer = net_and_optimizer(0.0)
        result = impl(net, _batches(draw, *[4] * 6), optimizer)
        return {"result": result, "older graphs are gone": max(net.alive) <= 2, **_weights(net)}

    def iterable():
        net, optimizer = net_and_optimizer(0.3)
        return {"result": _plain(impl(net, (batch for batch in _batches(draw, 4, 4, 4)), optimizer)), **_weights(net)}

    yield aspect("mean loss", "The result is the mean loss over all pictures: a batch of 8 weighs more than one of 3.",
                 mean_loss)
    yield aspect("steps", "Each batch is one step: clear the gradients, mean cross-entropy, backward, optimizer.",
                 steps)
    yield aspect("leftovers", "Gradients left over from before the epoch do not count.", leftovers)
    yield aspect("mode", "The net trains in training mode, whatever mode it came in.", mode)
    yield aspect("float", "The result is a Python float, and no batch's graph outlives the next batch.", graph)
    yield aspect("any iterable", "`loader` is anything that gives pairs (x, y) when looped over; ask it for nothing "
                 "else.", iterable)


@train_epoch.misconception("The batches' losses were averaged, each with the same weight. The last batch is smaller: "
                           "its pictures count more than others. Weigh each loss by its batch's size.")
def averages_batches(net, loader, optimizer):
    net.train()
    losses = []
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@train_epoch.misconception("The losses were added up but not divided by the number of pictures.")
def adds_losses_up(net, loader, optimizer):
    batches = list(loader)
    return _epoch(net, batches, optimizer) * sum(len(x) for x, _ in batches)


@train_epoch.misconception("The result is the last batch's loss. The epoch's is the mean over all its pictures.")
def gives_the_last_loss(net, loader, optimizer):
    net.train()
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
    return loss.item()


@train_epoch.misconception("The gradients are never cleared: each step also takes all earlier batches' gradients. "
                           "Call `optimizer.zero_grad()` for every batch.")
def never_clears_gradients(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The gradients are cleared once, before the loop. From the second batch on each step also "
                           "takes those of the batches before: clear them for every batch.")
def clears_gradients_once(net, loader, optimizer):
    optimizer.zero_grad()
    return never_clears_gradients(net, loader, optimizer)


@train_epoch.misconception("The gradients are cleared after the step. The first step then still takes what was there "
                           "before the epoch: clear them before `backward()`.")
def clears_after_the_step(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The optimizer steps but finds no gradient, and nothing is learned. Either they are cleared "
                           "between `backward()` and `step()`, or `backward()` comes too late or not at all.")
def clears_before_the_step(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The optimizer never steps: the loss is measured, the weights stay.")
def never_steps(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The net does not train in training mode. After an evaluation its norms would stay "
                           "frozen: call `net.train()`.")
def leaves_the_mode(net, loader, optimizer):
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The loss was added up as a tensor and returned as one. It drags every batch's graph "
                           "along, and memory grows to the end of the epoch. Take `loss.item()`.", literal=True)
def keeps_the_graph(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total = total + loss * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The result is a float, but until the end something of each batch was kept that holds its "
                           "graph, as a loss does. Keep `loss.item()`, not `loss`.", literal=True)
def keeps_the_graph_till_the_end(net, loader, optimizer):
    net.train()
    losses, sizes = [], []
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss)
        sizes.append(len(x))
    return sum(loss.item() * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


@train_epoch.misconception("`len(loader)` was asked for, the number of batches. A loader need not know it, and batches "
                           "differ in size: loop over it, and count the pictures as they come.")
def asks_for_the_length(net, loader, optimizer):
    net.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


@train_epoch.misconception("The number of pictures was asked of `loader.dataset`. Not every loader has one, and one "
                           "that drops its last batch gives fewer pictures: count them as they come.")
def asks_for_the_dataset(net, loader, optimizer):
    net.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    return total / len(loader.dataset)


@train_epoch.misconception("A softmax was taken before the cross-entropy, which does one itself. The loss then hardly "
                           "moves: give it the net's raw outputs.")
def trains_with_two_softmaxes(net, loader, optimizer):
    return _epoch(nn.Sequential(net, nn.Softmax(1)), loader, optimizer)


@train_epoch.misconception("Each batch's loss was measured again after its step. It is smaller there: take the loss "
                           "that the step was made from.")
def measures_after_the_step(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        total += F.cross_entropy(net(x), y).item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The gradient is that of the batch's summed loss. A batch of 64 then takes a step 64 times "
                           "as long: step with the mean, and multiply by the batch's size only what you report.")
def steps_with_the_sum(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y, reduction="sum")
        loss.backward()
        optimizer.step()
        total += loss.item()
        count += len(x)
    return total / count


@train_epoch.misconception("The optimizer steps once, after the last batch. Each batch is a step of its own.")
def steps_once_at_the_end(net, loader, optimizer):
    net.train()
    total, count = 0.0, 0
    optimizer.zero_grad()
    for x, y in loader:
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        total += loss.item() * len(x)
        count += len(x)
    optimizer.step()
    return total / count


@train_epoch.misconception("The epoch ends with its first batch: `return` stands inside the loop, or later batches are "
                           "passed over.")
def returns_in_the_loop(net, loader, optimizer):
    return _epoch(net, [next(iter(loader))], optimizer)


@train_epoch.misconception("The loader was looped over once to count the pictures and again to train. One that gives "
                           "each batch only once has nothing left by then: count while you train.")
def loops_twice(net, loader, optimizer):
    count = sum(len(y) for _, y in loader)
    net.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    return total / count


@train_epoch.misconception("The net trains in evaluation mode: norms are frozen and dropout is off. Call "
                           "`net.train()`, also where the net comes in training mode.")
def trains_in_eval_mode(net, loader, optimizer):
    net.eval()
    total, count = 0.0, 0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The batches' mean losses were added up and divided by nothing. Weigh each by its batch's "
                           "size, and divide by the number of pictures.")
def adds_mean_losses_up(net, loader, optimizer):
    batches = list(loader)
    return averages_batches(net, batches, optimizer) * len(batches)


def _stepping(net, loader, loss_of, step):
    """A right epoch, but for the loss or the step."""
    net.train()
    total, count = 0.0, 0
    for x, y in loader:
        loss = loss_of(net(x), y)
        step(loss)
        total += loss.item() * len(x)
        count += len(x)
    return total / count


@train_epoch.misconception("The outputs went into `nll_loss` as they are. It takes log-softmax's results; the "
                           "cross-entropy is the two together.")
def forgets_the_log_softmax(net, loader, optimizer):
    def step(loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return _stepping(net, loader, F.nll_loss, step)


@train_epoch.misconception("The loss is the squared distance from one-hot labels. Asked for is the cross-entropy.")
def takes_the_squared_distance(net, loader, optimizer):
    def step(loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return _stepping(net, loader, lambda scores, y: F.mse_loss(scores, F.one_hot(y, 4).float()), step)


@train_epoch.misconception("The optimizer steps twice for each batch. One batch is one step.")
def steps_twice(net, loader, optimizer):
    def step(loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        optimizer.step()

    return _stepping(net, loader, F.cross_entropy, step)


@train_epoch.misconception("The step comes before `backward()`: each batch steps with the gradients of the one before, "
                           "and the last batch's are never used.")
def steps_too_early(net, loader, optimizer):
    def step(loss):
        optimizer.step()
        optimizer.zero_grad()
        loss.backward()

    return _stepping(net, loader, F.cross_entropy, step)


@train_epoch.misconception("All batches were put together into one. Each batch is a step of its own.")
def makes_one_batch(net, loader, optimizer):
    pairs = list(loader)
    return _epoch(net, [tuple(torch.cat(parts) for parts in zip(*pairs, strict=True))], optimizer)


@train_epoch.misconception("The result is the accuracy. Asked for is the mean loss.")
def gives_the_accuracy(net, loader, optimizer):
    net.train()
    right, count = 0, 0
    for x, y in loader:
        optimizer.zero_grad()
        scores = net(x)
        F.cross_entropy(scores, y).backward()
        optimizer.step()
        right += (scores.argmax(1) == y).sum().item()
        count += len(y)
    return right / count


@train_epoch.misconception("The gradients were clipped before the step. The task's steps take them as they are.")
def clips_the_gradients(net, loader, optimizer):
    def step(loss):
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()

    return _stepping(net, loader, F.cross_entropy, step)


@train_epoch.alternative
def by_a_tensor_sum(net, loader, optimizer):
    criterion = nn.CrossEntropyLoss()
    net.train(True)
    total, seen = torch.zeros((), dtype=torch.float64), 0
    for x, y in loader:
        loss = criterion(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.detach() * y.numel()
        seen += y.numel()
    return (total / seen).item()


@train_epoch.alternative
def by_lists(net, loader, optimizer):
    losses, sizes = [], []
    for module in net.modules():
        module.train()
    for images, labels in loader:
        net.zero_grad(set_to_none=True)
        loss = F.nll_loss(net(images).log_softmax(dim=1), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        sizes.append(images.shape[0])
    return sum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)


@train_epoch.alternative
def by_sums_over_pictures(net, loader, optimizer):
    everything = []
    net.train()
    for x, y in loader:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        each = F.cross_entropy(net(x), y, reduction="none")
        each.mean().backward()
        optimizer.step()
        everything.append(each.detach())
    return float(torch.cat(everything).double().mean())
