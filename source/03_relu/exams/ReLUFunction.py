"""How `ReLUFunction` is examined."""

from contextlib import suppress

import torch

from convcraft.exam import aspect, exercise, gradients

from .shared import RELUS


class ReferenceReLU(torch.autograd.Function):
    """ReLU by hand, the output kept for the backward pass."""

    @staticmethod
    def forward(ctx, x):
        result = x.clamp(min=0)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_out):
        (result,) = ctx.saved_tensors
        return grad_out * (result > 0)


def _kept(x, result):
    """What a result's node keeps for the backward pass, and where."""
    node = result.grad_fn
    saved = [tensor for tensor in node.saved_tensors if tensor is not None]
    hung = [value for value in vars(node).values() if isinstance(value, torch.Tensor)]
    memory = {tensor.data_ptr() for tensor in (x, result)}
    size = sum(tensor.numel() * tensor.element_size() for tensor in (*saved, *hung))
    return {
        "tensors kept": len(saved) + len(hung),
        "kept as": " ".join(str(tensor.dtype).removeprefix("torch.") for tensor in (*saved, *hung)
                            if tensor.dtype not in (x.dtype, torch.bool, torch.uint8, torch.int8)),
        "bytes more than x has": max(0, size - x.numel() * x.element_size()),
        "x or the result is an attribute": any(tensor.data_ptr() in memory for tensor in hung),
    }


@exercise(points=14, reference=ReferenceReLU, bans=RELUS)
def ReLUFunction(impl, draw):
    def forward():
        x = draw.normal(8, 12)
        seen = {"result": impl.apply(x), "x afterwards": x}
        leaf = draw.normal(8, 12).requires_grad_()
        with suppress(Exception):  # what gradient comes, if one does, is for the other aspects
            impl.apply(leaf).sum().backward()
        return {**seen, "x after backward": leaf.detach()}

    def at_zero():
        x = draw.normal(8, 12)
        x[:, ::2] = 0
        return gradients(impl.apply, x)

    def kept():
        x = draw.normal(8, 12).requires_grad_()
        result = impl.apply(x)
        facts = _kept(x, result)
        return {"gradient": torch.autograd.grad(result, x, draw.normal(8, 12))[0], **facts}

    def incoming():
        x, grad_out = draw.normal(8, 12).requires_grad_(), draw.normal(8, 12)
        gradient, = torch.autograd.grad(impl.apply(x), x, grad_out)
        return {"gradient": gradient, "incoming gradient afterwards": grad_out}

    def two_calls():
        first, second = draw.normal(8, 12).requires_grad_(), draw.normal(8, 12).requires_grad_()
        results = impl.apply(first), impl.apply(second)
        return list(torch.autograd.grad(results, (first, second), (draw.normal(8, 12), draw.normal(8, 12))))

    yield aspect("forward", "`forward` returns ReLU(x) as a new tensor; `x` stays as it was.", forward)
    yield aspect("backward", "`backward` multiplies the gradient that comes in by the slope: 1 where `x` was above 0, "
                 "0 elsewhere.", lambda: gradients(impl.apply, draw.normal(8, 12)))
    yield aspect("at exactly 0", "At exactly 0, where the curve has its corner, the gradient is 0.", at_zero)
    yield aspect("what is kept", "Keep one tensor for `backward`, with no more bytes than `x` has, and hand it over "
                 "through `ctx.save_for_backward`.", kept)
    yield aspect("incoming gradient", "The gradient that comes in is not yours: it stays as it was.", incoming)
    yield aspect("two calls", "Two calls do not disturb each other: each `backward` uses what its own `forward` kept.",
                 two_calls)


@ReLUFunction.misconception("The gradient at exactly 0 came out as 1. The task asks for 0 there: compare with > "
                            "instead of ≥. Zeros are common: every ReLU below makes them by the thousand.")
class PassesAtZero(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (x >= 0)


@ReLUFunction.misconception("The gradient at exactly 0 came out as half of what came in. The mean of both slopes is a "
                            "fair choice, but the task (and PyTorch) takes 0 there.")
class HalvesAtZero(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (x.sign() + 1) / 2


@ReLUFunction.misconception("`backward` returned the slope alone. The chain rule multiplies it by the gradient that "
                            "comes in from the layers above; without it, this layer works only directly below a sum.")
class ForgetsTheChainRule(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return (x > 0).to(grad_out.dtype)


@ReLUFunction.misconception("`backward` handed on the whole gradient. Where `x` was not above 0, the result did not "
                            "depend on it: nothing may pass there. (The *output* is never below 0, so ≥ lets "
                            "everything pass.)")
class PassesEverything(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.clone()


@ReLUFunction.misconception("The gradient itself went through a ReLU: its negative entries are gone. What decides is "
                            "the sign of `x` in the forward pass, not the sign of the gradient.")
class RectifiesTheGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.clamp(min=0)


@ReLUFunction.misconception("Two masks were applied: one by the sign of `x`, as it should be, and one by the sign of "
                            "the gradient. Negative gradients pass where `x` was above 0.")
class RectifiesTwice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out.clamp(min=0) * (x > 0)


@ReLUFunction.misconception("The mask is the wrong way round: the gradient came through where `x` was not above 0, and "
                            "was stopped where it was.")
class PassesTheOtherHalf(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (x <= 0)


@ReLUFunction.misconception("`ctx.saved_tensors` is a tuple, even when one tensor was saved. Take the tensor out of it "
                            "before you compare; the pattern `Square` shows how.")
class ComparesTheTuple(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * (ctx.saved_tensors > 0)


@ReLUFunction.misconception("The gradient was multiplied by the output of ReLU. It is multiplied by the slope of "
                            "ReLU, which is 1 or 0 and does not grow with `x`.")
class MultipliesByTheOutput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * x.clamp(min=0)


@ReLUFunction.misconception("The gradient was multiplied by `x`. It is multiplied by the slope of ReLU, which is 1 or "
                            "0 and does not grow with `x`.")
class MultipliesByTheInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * x


@ReLUFunction.misconception("A little of the gradient came through where `x` was below 0: that is the backward of a "
                            "leaky ReLU. Here nothing passes.")
class LeaksBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, grad_out, 0.01 * grad_out)


@ReLUFunction.misconception("`forward` overwrote its input. Who called it may still need `x`: for a shortcut around "
                            "the layer, for one. Compute into a new tensor.")
class OverwritesItsInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = x.clamp_(min=0).clone()
        ctx.save_for_backward(result)
        return result

    @staticmethod
    def backward(ctx, grad_out):
        (result,) = ctx.saved_tensors
        return grad_out * (result > 0)


@ReLUFunction.misconception("`backward` wrote into the gradient that came in. Autograd may hand that same tensor to "
                            "another branch of the net, which then gets your zeros. Make a new tensor.")
class OverwritesTheGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        grad_out[x <= 0] = 0
        return grad_out


@ReLUFunction.misconception("Two tensors were saved. The slope can be read off either of them; the second one costs "
                            "memory in every layer of the net until `backward` has run.", literal=True)
class SavesInputAndOutput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        result = x.clamp(min=0)
        ctx.save_for_backward(x, result)
        return result

    @staticmethod
    def backward(ctx, grad_out):
        x, _ = ctx.saved_tensors
        return grad_out * (x > 0)


@ReLUFunction.misconception("What was saved has more bytes than `x`: an int64 takes 8 bytes, a float32 of `x` takes "
                            "4. Save `x`, the result, or a mask of bools, which take one byte each.", literal=True)
class SavesWholeNumbers(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.where(x > 0, 1, 0))
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (passed,) = ctx.saved_tensors
        return grad_out * passed


@ReLUFunction.misconception("A tensor was kept as an attribute, like `ctx.x = x`. It belongs in "
                            "`ctx.save_for_backward`: only there is a change in place noticed, and the memory freed "
                            "in time.", literal=True)
class KeepsAnAttribute(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.x = x
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * (ctx.x > 0)


@ReLUFunction.misconception("What `backward` needs was kept on the class, which all calls share: the second call "
                            "overwrote what the first had kept. `ctx` is there because it is new in every call.")
class KeepsItOnTheClass(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        KeepsItOnTheClass.passed = x > 0
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * KeepsItOnTheClass.passed


@ReLUFunction.misconception("`backward` returned None, so no gradient reaches `x`. It returns one gradient for each "
                            "input of `forward`. Is a `return` missing?")
class ReturnsNoGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return None


_KEPT_FOR_ALL = {}


@ReLUFunction.misconception("What `forward` found was kept outside of `ctx`, where the next call overwrites it: "
                            "`backward` of the first call uses the second one's. Each call has a `ctx` of its own.")
class KeepsOneForAll(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        _KEPT_FOR_ALL["passed"] = x > 0
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * _KEPT_FOR_ALL["passed"]


@ReLUFunction.misconception("`backward` wrote into the tensor that `forward` had saved, and that is the caller's own "
                            "`x`. Compute into a new tensor.")
class OverwritesWhatWasSaved(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        x[x < 0] = 0
        return grad_out * (x > 0)


@ReLUFunction.misconception("`ctx.saved_tensors` is empty in `backward`, and there was nothing to unpack: `forward` "
                            "saved nothing. Hand what `backward` needs to `ctx.save_for_backward`.")
class ForgetsToSave(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (x > 0)


@ReLUFunction.misconception("`ctx.saved_tensors` is empty in `backward`, and has no number 0: `forward` saved nothing. "
                            "Hand what `backward` needs to `ctx.save_for_backward`.")
class ForgetsToSaveAndIndexes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out * (ctx.saved_tensors[0] > 0)


@ReLUFunction.misconception("The gradient came through wherever `x` is not 0, below 0 as well. Asking for ≠ 0 is right "
                            "for the output alone, which is never negative; of `x` ask whether it is above 0.")
class PassesWhereNotZero(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        return grad_out * (x != 0)


@ReLUFunction.misconception("Two tensors are kept, `x` or the result and a mask. The slope can be read off either: "
                            "keep one of them.", literal=True)
class KeepsAMaskBesides(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        positive = x > 0
        ctx.save_for_backward(x, positive)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_out):
        _, positive = ctx.saved_tensors
        return grad_out * positive


@ReLUFunction.alternative
class SavesTheInput(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.maximum(x, torch.zeros_like(x))

    @staticmethod
    def backward(ctx, grad_out):
        (x,) = ctx.saved_tensors
        grad_x = grad_out.clone()
        grad_x[x <= 0] = 0
        return grad_x


@ReLUFunction.alternative
class SavesAMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        positive = x > 0
        ctx.save_for_backward(positive)
        return x * positive

    @staticmethod
    def backward(ctx, grad_out):
        (positive,) = ctx.saved_tensors
        return torch.where(positive, grad_out, 0.0)


@ReLUFunction.alternative
class HangsAMask(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.positive = x > 0
        return torch.where(ctx.positive, x, 0)

    @staticmethod
    def backward(ctx, grad_out):
        return grad_out.masked_fill(~ctx.positive, 0)


@ReLUFunction.alternative
class SetsUpItsContext(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x.clamp_min(0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, grad_out):
        (output,) = ctx.saved_tensors
        return grad_out * output.sign()


ReLUFunction.equivalent("@staticmethod -> ", "`apply` looks both methods up on the class, where a plain function is "
                        "called the same way: PyTorch asks for static methods, but does not insist.")
