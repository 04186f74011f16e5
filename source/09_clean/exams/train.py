"""How `train` is examined."""

import math

import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from convcraft.exam import aspect, exercise

from .shared import _Net


def _rate(lr, step, count):
    return lr * (1 + math.cos(math.pi * step / count)) / 2


def _trained(net, batches, lr, *, make=torch.optim.Adam, rate=_rate, loss=F.mse_loss, mode=nn.Module.train):
    mode(net)
    optimizer, losses = make(net.parameters(), lr=lr), []
    for step, (noisy, clean) in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate(lr, step, len(batches))
        optimizer.zero_grad()
        value = loss(net(noisy), clean)
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def _reference(net, batches, lr):
    return _trained(net, batches, lr)


class _Batches:
    """Pairs that can be looped over once; what happens is noted, so that one sees when each pair is asked for."""

    def __init__(self, pairs, events=None):
        self.pairs, self.events, self.loops = pairs, [] if events is None else events, 0

    def __len__(self):
        return len(self.pairs)

    def __iter__(self):
        self.loops += 1
        if self.loops > 1:
            raise RuntimeError("batches is looped over twice, and there is nothing left")
        for number, pair in enumerate(self.pairs, 1):
            self.events.append(f"batch {number} is drawn")
            yield pair


def _plain(losses):
    """Floats, also of tensors: that floats were asked for is an aspect of its own."""
    return [float(loss.detach() if isinstance(loss, torch.Tensor) else loss) for loss in losses]


@exercise(points=12, reference=_reference)
def train(impl, draw):
    def net():
        layers = draw.fill_(nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.Tanh(), nn.Conv2d(2, 1, 3, padding=1)))
        return _Net(layers).double()

    def pairs(*counts):
        clean = [draw.uniform(count, 1, 4, 5).double() for count in counts]
        return [(x + draw.normal(*x.shape, dtype=torch.float64), x) for x in clean]

    def losses():
        return _plain(impl(net(), _Batches(pairs(3, 3, 2)), 0.0))

    def gradients():
        trained, at_steps = net(), []
        for parameter in trained.parameters():
            parameter.grad = draw.normal(*parameter.shape, dtype=torch.float64)
        watched = trained.function[0].weight

        def note(*_):
            at_steps.append("cleared" if watched.grad is None else watched.grad.clone())

        hook = register_optimizer_step_pre_hook(note)
        try:
            impl(trained, _Batches(pairs(3, 2, 3)), 0.0)
        finally:
            hook.remove()
        return {f"step {number}": gradient for number, gradient in enumerate(at_steps, 1)}

    def adam():
        trained, used = net(), []
        before = {name: parameter.detach().clone() for name, parameter in trained.function.named_parameters()}
        clean = draw.uniform(3, 1, 3, 5).double()  # an odd count of numbers: no sum of signs is 0
        impl(trained, _Batches([(clean + draw.normal(*clean.shape, dtype=torch.float64), clean)]), 0.05)
        hook = register_optimizer_step_pre_hook(lambda optimizer, *_: used.append(optimizer))
        try:
            impl(net(), _Batches(pairs(2, 2)), 0.0)
        finally:
            hook.remove()
        group = used[0].param_groups[0] if used else {}
        settings = ("betas", "eps", "weight_decay", "amsgrad", "maximize")
        return {**{f"how far {name} went": (parameter - before[name]).abs()  # which way is the gradient's affair
                   for name, parameter in trained.function.named_parameters()},
                "optimizers for two steps": len({id(one) for one in used}),
                "settings": {name: group.get(name) for name in settings}}

    def schedule():
        trained, rates = net(), []
        hook = register_optimizer_step_post_hook(
            lambda optimizer, *_: rates.append(float(optimizer.param_groups[0]["lr"])))
        try:
            impl(trained, _Batches(pairs(*[2] * 6)), 0.03)
        finally:
            hook.remove()
        return {f"step {number}": rate for number, rate in enumerate(rates)}

    def mode():
        trained = net().eval()
        trained.inner[0].train()
        count = len(impl(trained, _Batches(pairs(2, 2)), 0.0))
        return {"training mode, batch by batch": list(trained.modes), "losses": count}

    def graph():
        trained = net()
        losses = impl(trained, _Batches(pairs(*[2] * 5)), 0.0)
        return {"each is a": [type(loss).__name__ for loss in losses], "older graphs are gone": max(trained.alive) <= 2}

    def in_turn():
        trained, events = net(), []
        trained.register_forward_hook(lambda *_: events.append("the net is called"))
        count = len(impl(trained, _Batches(pairs(2, 2, 2), events), 0.0))
        return {"losses": count, "in turn": events}

    yield aspect("losses", "The result has one number for each batch: the mean squared error between `net(noisy)` and "
                 "`clean`, before the step.", losses)
    yield aspect("gradients", "Each step is made from its own batch's gradient alone, whatever gradients were there "
                 "before.", gradients, weight=2)
    yield aspect("Adam", "The steps are `torch.optim.Adam`'s, with all its settings but the rate left alone.", adam,
                 rtol=1e-3, atol=1e-6)
    yield aspect("schedule", "Step k of n, counted from 0, is made with the rate lr · (1 + cos(πk/n)) / 2.", schedule,
                 weight=2)
    yield aspect("mode", "The net trains in training mode, whatever mode it, or a part of it, came in.", mode)
    yield aspect("floats", "The numbers are Python floats, and no batch's graph outlives the next batch.", graph)
    yield aspect("in turn", "`batches` has a length and can be looped over once; each batch is used before the next is "
                 "drawn.", in_turn)


@train.misconception("The rate stays as it was all the time. At the end, steps as large as at the beginning keep the "
                     "weights from settling: set it before each step.")
def keeps_the_rate(net, batches, lr):
    return _trained(net, batches, lr, rate=lambda lr, step, count: lr)


@train.misconception("The rate falls along a straight line. It is to follow a cosine: slowly at first, fast in the "
                     "middle, slowly at the end.")
def falls_along_a_line(net, batches, lr):
    return _trained(net, batches, lr, rate=lambda lr, step, count: lr * (1 - step / count))


@train.misconception("The schedule is one step ahead: the first step should be made with lr itself. Count k from 0, or "
                     "call the scheduler after the optimizer.")
def counts_from_one(net, batches, lr):
    return _trained(net, batches, lr, rate=lambda lr, step, count: _rate(lr, step + 1, count))


@train.misconception("The cosine ends one step too early: the last step has the rate 0 and is lost. Divide k by n, not "
                     "by n − 1.")
def ends_too_early(net, batches, lr):
    return _trained(net, batches, lr, rate=lambda lr, step, count: _rate(lr, step, max(count - 1, 1)))


@train.misconception("The rates are twice as large: the sum 1 + cos goes from 2 to 0, so half of it is taken.")
def forgets_to_halve(net, batches, lr):
    return _trained(net, batches, lr, rate=lambda lr, step, count: 2 * _rate(lr, step, count))


@train.misconception("The rate falls only to half a cosine: cos(πk/2n) without the 1, or half the angle. At k = n/2 "
                     "the rate is half of lr.")
def falls_a_quarter_wave(net, batches, lr):
    return _trained(net, batches, lr, rate=lambda lr, step, count: lr * math.cos(math.pi * step / count / 2))


@train.misconception("The steps are plain gradient descent's. Use `torch.optim.Adam`.")
def steps_by_sgd(net, batches, lr):
    return _trained(net, batches, lr, make=torch.optim.SGD)


@train.misconception("The optimizer is AdamW, which pulls every weight towards 0 besides. The task asks for Adam.")
def steps_by_adamw(net, batches, lr):
    return _trained(net, batches, lr, make=torch.optim.AdamW)


@train.misconception("Each batch has a new optimizer. Adam's means of the gradients then begin again with every step, "
                     "and it follows one batch alone: make it once, before the loop.", literal=True)
def makes_an_optimizer_a_batch(net, batches, lr):
    net.train()
    losses = []
    for step, (noisy, clean) in enumerate(batches):
        optimizer = torch.optim.Adam(net.parameters(), lr=_rate(lr, step, len(batches)))
        optimizer.zero_grad()
        loss = F.mse_loss(net(noisy), clean)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@train.misconception("The loss is the mean absolute error. The mean squared one is what PSNR measures: `F.mse_loss`.")
def takes_the_absolute_error(net, batches, lr):
    return _trained(net, batches, lr, loss=F.l1_loss)


@train.misconception("The squared differences were added up, not averaged. Loss and gradient then grow with the batch: "
                     "take the mean.")
def adds_up_the_errors(net, batches, lr):
    return _trained(net, batches, lr, loss=lambda x, y: F.mse_loss(x, y, reduction="sum"))


@train.misconception("The loss is the root of the mean squared error. Take the mean squared error itself.")
def takes_the_root(net, batches, lr):
    return _trained(net, batches, lr, loss=lambda x, y: F.mse_loss(x, y).sqrt())


@train.misconception("The net was taught the noise. It subtracts the noise itself, and what it gives is to be `clean`.")
def teaches_the_noise(net, batches, lr):
    class Noise:
        __len__ = batches.__len__

        def __iter__(self):
            return ((noisy, noisy - clean) for noisy, clean in batches)

    return _trained(net, Noise(), lr)


@train.misconception("Adam was given a weight decay, which pulls every weight towards 0. All its settings but the rate "
                     "stay as they are.", literal=True)
def lets_weights_decay(net, batches, lr):
    return _trained(net, batches, lr, make=lambda given, lr: torch.optim.Adam(given, lr=lr, weight_decay=1e-4))


@train.misconception("`lr` is not used: the rate begins at Adam's own 0.001. Give it to the optimizer.")
def ignores_the_rate(net, batches, lr):
    return _trained(net, batches, 1e-3)


@train.misconception("The cosine makes a whole turn: in the middle the rate is 0, and at the end it is lr again. The "
                     "angle goes from 0 to π, not to 2π.")
def turns_all_around(net, batches, lr):
    return _trained(net, batches, lr, rate=lambda lr, step, count: _rate(lr, 2 * step, count))


@train.misconception("The angle is k/n without π: the rate falls by a quarter at most. The cosine's angle goes from 0 "
                     "to π.")
def forgets_pi(net, batches, lr):
    return _trained(net, batches, lr, rate=lambda lr, step, count: lr * (1 + math.cos(step / count)) / 2)


@train.misconception("The rate rises from 0 to lr: 1 − cos in place of 1 + cos. It falls.")
def lets_the_rate_rise(net, batches, lr):
    return _trained(net, batches, lr, rate=lambda lr, step, count: lr - _rate(lr, step, count))


@train.misconception("Each step's factor was put upon the rate of the step before, and the rates shrink too fast. Each "
                     "is lr times its own factor.")
def multiplies_the_last_rate(net, batches, lr):
    rates = [lr]

    def rate(lr, step, count):
        rates.append(rates[-1] * _rate(1, step, count))
        return rates[-1]

    return _trained(net, batches, lr, rate=rate)


@train.misconception("Each number is the mean of all losses so far. Give every batch's own; whoever draws the curve "
                     "may smooth it.")
def smooths_the_losses(net, batches, lr):
    losses = _trained(net, batches, lr)
    return [sum(losses[:count]) / count for count in range(1, len(losses) + 1)]


@train.misconception("Input and target were exchanged: the net was shown the clean pictures and asked for the noisy "
                     "ones.")
def learns_to_add_noise(net, batches, lr):
    class Exchanged:
        __len__ = batches.__len__

        def __iter__(self):
            return ((clean, noisy) for noisy, clean in batches)

    return _trained(net, Exchanged(), lr)


@train.misconception("The gradients are never cleared: each step also takes all earlier batches' gradients. Call "
                     "`optimizer.zero_grad()` for every batch.")
def never_clears(net, batches, lr):
    net.train()
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=lr), []
    for step, (noisy, clean) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = _rate(lr, step, len(batches))
        loss = F.mse_loss(net(noisy), clean)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@train.misconception("The gradients are cleared once, before the loop. From the second batch on each step also takes "
                     "those of the batches before: clear them for every batch.")
def clears_once(net, batches, lr):
    net.zero_grad()
    return never_clears(net, batches, lr)


@train.misconception("The gradients are cleared after the step. The first step then still takes what was there before: "
                     "clear them before `backward()`.")
def clears_after_the_step(net, batches, lr):
    net.train()
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=lr), []
    for step, (noisy, clean) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = _rate(lr, step, len(batches))
        loss = F.mse_loss(net(noisy), clean)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@train.misconception("The gradients are cleared between `backward()` and `step()`: the optimizer finds none, and "
                     "nothing is learned.")
def clears_before_the_step(net, batches, lr):
    net.train()
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=lr), []
    for step, (noisy, clean) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = _rate(lr, step, len(batches))
        loss = F.mse_loss(net(noisy), clean)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.item())
    return losses


@train.misconception("The optimizer never steps: the loss is measured, the weights stay.")
def never_steps(net, batches, lr):
    net.train()
    return [F.mse_loss(net(noisy), clean).item() for noisy, clean in batches]


@train.misconception("The net, or a part of it, trains in the mode it came in. After a test its norms would stay "
                     "frozen: call `net.train()`, which reaches every part.", literal=True)
def leaves_the_mode(net, batches, lr):
    return _trained(net, batches, lr, mode=lambda net: None)


@train.misconception("The losses are tensors, each with its batch's graph, and memory grows to the end. Keep "
                     "`loss.item()`.", literal=True)
def keeps_the_graphs(net, batches, lr):
    net.train()
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=lr), []
    for step, (noisy, clean) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = _rate(lr, step, len(batches))
        optimizer.zero_grad()
        losses.append(F.mse_loss(net(noisy), clean))
        losses[-1].backward()
        optimizer.step()
    return losses


@train.misconception("The losses are tensors. Take the number out of each with `.item()`.", literal=True)
def gives_tensors(net, batches, lr):
    return [torch.tensor(loss, dtype=torch.float64) for loss in _trained(net, batches, lr)]


@train.misconception("All batches are drawn before the first step, a list of them: a thousand batches at once in "
                     "memory. Loop over `batches` itself; `len(batches)` says how many there are.")
def collects_the_batches(net, batches, lr):
    return _trained(net, list(batches), lr)


@train.misconception("Each batch's loss was measured again after its step. It is smaller there: take the loss that the "
                     "step was made from.")
def measures_after_the_step(net, batches, lr):
    net.train()
    optimizer, losses = torch.optim.Adam(net.parameters(), lr=lr), []
    for step, (noisy, clean) in enumerate(batches):
        optimizer.param_groups[0]["lr"] = _rate(lr, step, len(batches))
        optimizer.zero_grad()
        F.mse_loss(net(noisy), clean).backward()
        optimizer.step()
        losses.append(F.mse_loss(net(noisy), clean).item())
    return losses


@train.misconception("The result is one number, the mean or the last loss. The task asks for the whole list, so that "
                     "one can draw the curve.")
def gives_the_mean(net, batches, lr):
    losses = _trained(net, batches, lr)
    return sum(losses) / len(losses)


@train.alternative
def by_a_scheduler(net, batches, lr):
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=len(batches))
    net.train()
    losses = []
    for noisy, clean in batches:
        loss = ((net(noisy) - clean) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


@train.alternative
def by_a_lambda(net, batches, lr):
    for module in net.modules():
        module.training = True
    optimizer = torch.optim.Adam([{"params": list(net.parameters())}], lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / len(batches))))
    losses, criterion = [], nn.MSELoss()
    for x, y in batches:
        net.zero_grad(set_to_none=False)
        loss = criterion(net(x), y)
        losses.append(float(loss.detach()))
        loss.backward()
        optimizer.step()
        scheduler.step()
    return losses


@train.alternative
def by_steps_of_its_own(net, batches, lr):
    net.train(True)
    optimizer, losses, count = torch.optim.Adam(net.parameters(), lr=lr), [], len(batches)
    iterator = iter(batches)
    for k in range(count):
        noisy, clean = next(iterator)
        optimizer.param_groups[0]["lr"] = lr * math.cos(math.pi * k / count / 2) ** 2
        optimizer.zero_grad(set_to_none=True)
        loss = (net(noisy) - clean).square().mean()
        loss.backward()
        optimizer.step()
        losses += [loss.detach().item()]
    return losses


train.equivalent("loss = F.mse_loss(net(noisy), clean) -> loss = F.mse_loss(clean, net(noisy))",
                 "A difference has the same square, and the same gradient, from both sides.")
