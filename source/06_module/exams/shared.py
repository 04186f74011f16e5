"""What several exams of this chapter need."""

import os
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def _made(kind):
    """A list that grows with every object of one of PyTorch's classes that is made inside the block."""
    made, usual = [], kind.__init__

    def noticed(self, *args, **kwargs):
        made.append(type(self).__name__)
        usual(self, *args, **kwargs)

    kind.__init__ = noticed
    try:
        yield made
    finally:
        kind.__init__ = usual


def _reached(tensors):
    """Where a gradient has arrived, and which."""
    return {"a gradient reaches": {name: tensor.grad is not None for name, tensor in tensors.items()},
            "gradients": {name: torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
                          for name, tensor in tensors.items()}}


def _linear(draw, in_features, out_features):
    """A linear layer with drawn numbers, whatever it will be called."""
    layer = nn.Linear(in_features, out_features)
    with torch.no_grad():
        layer.weight.copy_(draw.normal(out_features, in_features))
        layer.bias.copy_(draw.normal(out_features))
    return layer


def _same_objects(before, after):
    """Object by object, whether it is still the same one."""
    return [len(before) == len(after), *(one is other for one, other in zip(before, after, strict=False))]


def _small_net(draw):
    """A net with parameters and buffers, and an optimizer that remembers."""
    net = nn.Sequential(_linear(draw, 4, 6), nn.BatchNorm1d(6), nn.Tanh(), _linear(draw, 6, 2))
    return net, torch.optim.Adam(net.parameters(), lr=0.05)


def _train(net, optimizer, batches):
    for x, y in batches:
        loss = (net(x) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def _batches(draw, count):
    return [(draw.normal(8, 4), draw.normal(8, 2)) for _ in range(count)]


def _state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def _modes(net):
    return {name or "the net": module.training for name, module in net.named_modules()}


def _equal(module, state):
    return all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


def _files(folder):
    return dict.fromkeys(sorted(os.listdir(folder)), True)
