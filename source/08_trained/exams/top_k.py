"""How `top_k` is examined."""

import math
from itertools import pairwise

import torch

from convcraft.exam import aspect, exercise


def _best(logits, k):
    values, places = logits.softmax(0).topk(min(k, len(logits)))
    return [(int(place), float(value)) for place, value in zip(places, values, strict=True)]


def _kinds(pairs):
    """What a list of pairs is made of, so that tensors in it are told."""
    return [f"{type(pairs).__name__} of {type(pair).__name__} of {', '.join(type(part).__name__ for part in pair)}"
            for pair in pairs][:1]


def _plain(pairs):
    """The pairs as numbers, whatever kind of number they are."""
    return [[int(place), float(value)] for place, value in pairs]


def _ranked(pairs):
    """The classes, and whether what stands beside them falls: how large it is, `probabilities` looks at."""
    values = [float(value) for _, value in pairs]
    return {"classes": [int(place) for place, _ in pairs],
            "each above the next": all(first > second for first, second in pairwise(values)),
            "all finite": all(map(math.isfinite, values))}


@exercise(points=4, reference=_best)
def top_k(impl, draw):
    def logits(count):
        """The most probable class stands behind the next one: their own order is never that of their places."""
        drawn = draw.distinct(count)
        best, second = drawn.topk(2).indices.tolist()
        return drawn if best > second else drawn.flip(0)

    yield aspect("probabilities", "The logits become probabilities by a softmax over all classes, and these are "
                 "given.", lambda: _plain(impl(logits(9) * 2, 7)))
    yield aspect("order", "The k most probable come, the most probable first, each as (class, probability).",
                 lambda: {"3 of 12": _ranked(impl(logits(12), 3)), "1 of 7": _ranked(impl(logits(7), 1))})
    yield aspect("large logits", "Logits of 1,000 are as good as small ones.",
                 lambda: _ranked(impl(logits(6) + 1000, 3)))
    yield aspect("kinds", "It is a list of pairs (tuples) of a Python int and a Python float.",
                 lambda: {"kinds": _kinds(impl(logits(8), 4)), "pairs": _ranked(impl(logits(8), 2))})
    yield aspect("more than there are", "If k is larger than the number of classes, all of them come.",
                 lambda: _ranked(impl(logits(4), 6)))


@top_k.misconception("These are the logits. Probabilities are asked for: numbers between 0 and 1 that add up to 1 over "
                     "all classes.")
def gives_logits(logits, k):
    values, places = logits.topk(min(k, len(logits)))
    return list(zip(places.tolist(), values.tolist(), strict=True))


@top_k.misconception("The softmax was taken over the k best alone, so that they add up to 1. It goes over all classes: "
                     "a net that is unsure shows small numbers.")
def normalises_the_best(logits, k):
    values, places = logits.topk(min(k, len(logits)))
    return list(zip(places.tolist(), values.softmax(0).tolist(), strict=True))


@top_k.misconception("These are per cent. A probability lies between 0 and 1.")
def gives_per_cent(logits, k):
    return [(place, 100 * value) for place, value in _best(logits, k)]


@top_k.misconception("The least probable comes first. Sort downwards.")
def sorts_upwards(logits, k):
    return _best(logits, k)[::-1]


@top_k.misconception("These are the k least probable classes: `argsort` sorts upwards unless told `descending=True`.")
def takes_the_least(logits, k):
    values, places = logits.softmax(0).sort()
    return list(zip(places.tolist()[:k], values.tolist()[:k], strict=True))


@top_k.misconception("e to the power of 1,000 is infinite, and infinite by infinite is NaN. Subtract the largest logit "
                     "first, or use `softmax`, which does.")
def overflows(logits, k):
    values, places = (logits.exp() / logits.exp().sum()).topk(min(k, len(logits)))
    return list(zip(places.tolist(), values.tolist(), strict=True))


@top_k.misconception("Each class got a sigmoid of its own. Of a thousand classes one is right: they share one softmax.")
def takes_sigmoids(logits, k):
    values, places = logits.sigmoid().topk(min(k, len(logits)))
    return list(zip(places.tolist(), values.tolist(), strict=True))


@top_k.misconception("The pairs hold tensors. `item()` or `tolist()` makes Python numbers of them, which print well "
                     "and can be an index.", literal=True)
def gives_tensors(logits, k):
    values, places = logits.softmax(0).topk(min(k, len(logits)))
    return list(zip(places, values, strict=True))


@top_k.misconception("Probability and class are exchanged: the class comes first.")
def exchanges_the_pair(logits, k):
    return [(value, place) for place, value in _best(logits, k)]


@top_k.misconception("`topk` refuses a k larger than the number of classes. Take the smaller of the two.")
def asks_for_too_many(logits, k):
    values, places = logits.softmax(0).topk(k)
    return list(zip(places.tolist(), values.tolist(), strict=True))


@top_k.misconception("The probabilities were rounded. Whoever prints them may round.")
def rounds_to_two_digits(logits, k):
    return [(place, round(value, 2)) for place, value in _best(logits, k)]


@top_k.misconception("These are logarithms of probabilities. Take `softmax`, not `log_softmax`.")
def gives_logarithms(logits, k):
    return [(place, math.log(value)) for place, value in _best(logits, k)]


@top_k.misconception("The softmax was taken twice. Of numbers between 0 and 1 it makes numbers that hardly differ: "
                     "once is right.")
def takes_the_softmax_twice(logits, k):
    values, places = logits.softmax(0).softmax(0).topk(min(k, len(logits)))
    return list(zip(places.tolist(), values.tolist(), strict=True))


@top_k.misconception("The logits were stretched so that the smallest is 0 and the largest 1. That makes no "
                     "probabilities, which add up to 1: `softmax`.")
def stretches_the_logits(logits, k):
    low, high = logits.min(), logits.max()
    values, places = ((logits - low) / (high - low)).topk(min(k, len(logits)))
    return list(zip(places.tolist(), values.tolist(), strict=True))


@top_k.misconception("`k` is not used: all classes come. Only the k most probable are asked for.", literal=True)
def gives_all(logits, k):
    return _best(logits, len(logits))


@top_k.misconception("`k` is not used: always five come. How many are asked for, `k` says.", literal=True)
def always_gives_five(logits, k):
    return _best(logits, 5)


@top_k.misconception("One class too many comes: the k most probable are asked for.", literal=True)
def gives_one_more(logits, k):
    return _best(logits, k + 1)


@top_k.misconception("Classes were counted from 1. The first class is number 0.")
def counts_from_one(logits, k):
    return [(place + 1, value) for place, value in _best(logits, k)]


@top_k.misconception("The pairs come in the order of their classes. The most probable comes first.")
def sorts_by_class(logits, k):
    return sorted(_best(logits, k))


@top_k.misconception("The pairs are lists. Tuples are asked for: (class, probability).", literal=True)
def gives_lists(logits, k):
    return [list(pair) for pair in _best(logits, k)]


@top_k.misconception("Two lists came back, classes and probabilities. A list of pairs is asked for: `zip` makes it.")
def gives_two_lists(logits, k):
    values, places = logits.softmax(0).topk(min(k, len(logits)))
    return places.tolist(), values.tolist()


@top_k.alternative
def by_sorting(logits, k):
    pairs = enumerate(torch.softmax(logits, dim=-1).tolist())
    return sorted(pairs, key=lambda pair: pair[1], reverse=True)[:k]


@top_k.alternative
def by_hand(logits, k):
    numbers = logits.tolist()
    top = max(numbers)
    powers = [math.exp(number - top) for number in numbers]
    order = sorted(range(len(numbers)), key=powers.__getitem__)[::-1]
    return [(place, powers[place] / sum(powers)) for place in order[:k]]


@top_k.alternative
def by_argsort(logits, k):
    shares = (logits - logits.logsumexp(0)).exp()
    return [(place.item(), shares[place].item()) for place in shares.argsort(descending=True)[:k]]


top_k.equivalent(
    "values, classes = logits.softmax(0).topk(min(k, len(logits))) -> "
    "values, classes = logits.softmax((-1)).topk(min(k, len(logits)))",
    "The logits of one picture have one axis: the first is the last.")
top_k.equivalent(
    "values, classes = logits.softmax(0).topk(min(k, len(logits))) -> "
    "values, classes = logits.softmax(0).topk(min(len(logits), k))",
    "The smaller of two whole numbers is the same in either order.")
top_k.equivalent(
    "return list(zip(classes.tolist(), values.tolist(), strict=True)) -> "
    "return list(zip(classes.tolist(), values.tolist()))",
    "`topk` gives as many values as classes.")
top_k.equivalent(
    "return list(zip(classes.tolist(), values.tolist(), strict=True)) -> "
    "return list(zip(classes.tolist(), values.tolist(), strict=False))",
    "`topk` gives as many values as classes.")
