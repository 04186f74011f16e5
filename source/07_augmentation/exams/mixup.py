"""How `mixup` is examined."""

import numpy as np
import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise, own_numbers, seed_facts, seeded

from .shared import _CLASSES, _beta, _label_kind


def _mixed(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).to(torch.float32)
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@exercise(points=9, reference=_mixed)
def mixup(impl, draw):
    y = torch.tensor(_CLASSES)

    def unit_pictures():
        return torch.eye(6).reshape(6, 1, 2, 3)

    def mixtures():
        generator = draw.generator()
        seen = [impl(unit_pictures(), y.clone(), 2.0, 8, generator=generator) for _ in range(30)]
        return [torch.stack([x for x, _ in seen]), torch.stack([labels.float() for _, labels in seen])]

    def pixels(seen, right):
        weights = seen[0].reshape(-1, 6, 6)
        others = (weights - torch.diag_embed(weights.diagonal(dim1=1, dim2=2))).flatten(0, 1)
        own, rest = weights.diagonal(dim1=1, dim2=2).flatten(), others.sum(1)
        if (weights == weights[:1]).all():
            return {**pixels(right, None), "another mixture each time": False}
        return {"another mixture each time": True, "both have the same share": bool(
                    ((own - rest).abs() < 1e-4)[rest > 0].all()),
                "shares add up to one": bool(((weights.sum(2) - 1).abs() < 1e-4).all() and (weights > -1e-5).all()),
                "at most one partner": bool(((others > 0).sum(1) <= 1).all()),
                "the picture is in it": bool((weights.diagonal(dim1=1, dim2=2) > 0).all()),
                "most have a partner": bool((others > 0).any(1).float().mean() > 0.5),
                "partners": _partners(others.reshape(-1, 6, 6)),
                "partners drawn anew": bool((others.reshape(-1, 6, 6) > 0).flatten(1).unique(dim=0).shape[0] > 1)}

    def labels(seen, right):
        weights = seen[0].reshape(-1, 6, 6)
        weights = weights / weights.sum(2, keepdim=True).clamp(min=1e-9)
        return {"labels": _label_kind(seen[1], weights, y),
                "mixed": bool((weights.diagonal(dim1=1, dim2=2) < 0.99).any())}

    def real():
        x, generator = draw.normal(3, 2, 4, 5), draw.generator()
        mixed, labels = impl(x.double(), torch.tensor([1, 1, 1]), 0.4, 3, generator=generator)
        alone, its = impl(x[:1], torch.tensor([2]), 4.0, 4, generator=generator)
        return [list(mixed.shape), str(mixed.dtype), labels, alone, its]

    def shares():
        shown = []
        for alpha in (0.2, 4.0):
            generator, found = draw.generator(), []
            for _ in range(150):
                weights = impl(unit_pictures(), y.clone(), alpha, 7, generator=generator)[0].reshape(6, 6)
                own = weights.diagonal()
                mixed = (weights > 0).sum(1) == 2
                found.append(torch.stack([(own * (1 - own))[mixed].mean(), own[mixed].mean()]))
            shown.append(torch.stack(found).nan_to_num(-1.0))
        return shown

    def distribution(seen, right):
        return [_beta_kind(found[found[:, 0] >= 0], alpha) for found, alpha in zip(seen, (0.2, 4.0), strict=True)]

    def both(**generator):
        shown = []
        for _ in range(6):
            x, labels = impl(unit_pictures(), y.clone(), 1.0, 7, **generator)
            shown.append(torch.cat([x.flatten(), labels.float().flatten()]))
        return torch.stack(shown)

    def left_alone():
        x, classes, generator = unit_pictures(), y.clone(), draw.generator()
        mixed, labels = impl(x, classes, 1.0, 8, generator=generator)
        return [x, classes, list(mixed.shape), list(labels.shape)]

    yield aspect("pixels",
                 "Each picture becomes λ times itself plus 1 − λ times its partner, another picture of the batch.",
                 mixtures, view=pixels)
    yield aspect("labels",
                 "Its label becomes λ times its own one-hot label plus 1 − λ times its partner's: the same λ, the "
                 "same partner as for the pixels.",
                 mixtures, view=labels)
    yield aspect("shapes",
                 "The pixels keep shape and dtype, the labels are float32 of shape (N, num_classes); a partner of the "
                 "same class, or a batch of one, changes no label.",
                 real, dtype=True)
    yield aspect("λ", "λ is drawn from Beta(α, α), once per batch or once per picture.", shares, view=distribution)
    yield aspect("seed", "λ and the partners are drawn from `generator` alone.",
                 lambda: seeded(lambda generator: both(generator=generator), draw), view=seed_facts)
    yield aspect("without one", "Without a generator, λ and the partners come from torch's own numbers.",
                 lambda: own_numbers(both), view=seed_facts)
    yield aspect("left alone", "`mixup` leaves `x` and `y` as they were.", left_alone)


def _partners(others):
    """Whether the pictures of a batch have partners of their own, over batches (n, N, N) of the partners' shares."""
    most = (others > 0).sum(1).amax(1)  # how many pictures one and the same picture is mixed into
    return "one and the same for all" if (most >= 5).float().mean() > 0.5 else "different ones"


def _beta_kind(found, alpha):
    """Which distribution of λ fits the mean of λ (1 − λ), and of λ, over 150 batches."""
    if len(found) < 30:
        return "hardly ever mixed"
    found, own = found.unbind(1)
    if found.std() < 1e-4:
        return "always one half" if (found - 0.25).abs().max() < 1e-4 else "always the same λ"
    if (own > 0.5).all():
        return "never below one half"
    if (own < 0.5).all():
        return "never above one half"
    mean = found.mean().item()
    fits = {"Beta(α, α)": alpha / (2 * (2 * alpha + 1)), "uniform": 1 / 6}
    width = {"Beta(α, α)": 0.043 if alpha < 1 else 0.018, "uniform": 0.037}
    return next((name for name, value in fits.items() if abs(mean - value) < width[name]), "other")


@mixup.misconception("Pixels and labels disagree: the label has λ where the pixels have 1 − λ. A picture that is nine "
                     "tenths a 3 is now called nine tenths an 8.")
def exchanges_the_shares(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], (1 - share) * labels + share * labels[partner]


@mixup.misconception("Only the pixels were mixed. The label still says that there is one digit in the picture: the "
                     "net is told that a half-erased 3 under an 8 is wholly a 3.")
def mixes_pixels_alone(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    return share * x + (1 - share) * x[partner], F.one_hot(y, num_classes).float()


@mixup.misconception("One picture is the partner of the whole batch. Each picture has a partner of its own: a random "
                     "permutation gives one to each.")
def takes_one_partner_for_all(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randint(len(x), (1,), generator=generator).expand(len(x))
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("Four things came back: pixels, both classes and λ, as in the paper's code. Here the labels are "
                     "mixed at once: return the pixels and rows of shares.")
def returns_both_classes(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    return share * x + (1 - share) * x[partner], y, y[partner], share


@mixup.misconception("The labels have other partners than the pixels: the permutation was drawn twice. Draw it once "
                     "and use it for both.")
def draws_partners_twice(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    labels = F.one_hot(y, num_classes).float()
    partner, other = torch.randperm(len(x), generator=generator), torch.randperm(len(x), generator=generator)
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[other]


@mixup.misconception("The labels have a λ of their own. It was drawn twice; draw it once and use it for both.")
def draws_shares_twice(x, y, alpha, num_classes, generator=None):
    share, other = _beta(alpha, generator), _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], other * labels + (1 - other) * labels[partner]


@mixup.misconception("λ is uniform, whatever α says. Beta(α, α) is uniform for α = 1 alone; α = 0.2 keeps most "
                     "pictures nearly as they are, α = 4 mixes most of them half and half.")
def draws_a_uniform_share(x, y, alpha, num_classes, generator=None):
    share = torch.rand((), generator=generator).item()
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("λ is never below ½: the larger of λ and 1 − λ was taken. Beta(α, α) is as often below ½ as "
                     "above: take it as it is drawn.")
def takes_the_larger_share(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    share = max(share, 1 - share)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("The partners are the same in every call: the picture beside it, or the batch read backwards. The "
                     "same two then meet in every epoch that is not shuffled: draw them anew.", literal=True)
def never_draws_partners(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x.flip(0), share * labels + (1 - share) * labels.flip(0)


@mixup.misconception("The shares were put into the label, the second over the first: where both pictures have one "
                     "class, 1 − λ is all that is left. Add them up.")
def overwrites_a_share(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = torch.zeros(len(x), num_classes)
    labels[torch.arange(len(x)), y] = share
    labels[torch.arange(len(x)), y[partner]] = 1 - share
    return share * x + (1 - share) * x[partner], labels


@mixup.misconception("λ or the partners come from NumPy's or Python's numbers, which know neither `generator` nor "
                     "`torch.manual_seed`: no seed of torch's repeats the batch. `draw_beta` takes the generator.",
                     literal=True)
def mixes_by_numpys_numbers(x, y, alpha, num_classes, generator=None):
    share = np.random.beta(alpha, alpha)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("α itself was used as the share. It is the parameter of the distribution that λ is drawn from; "
                     "with α = 4 your pictures are four times themselves.")
def takes_alpha_as_share(x, y, alpha, num_classes, generator=None):
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return alpha * x + (1 - alpha) * x[partner], alpha * labels + (1 - alpha) * labels[partner]


@mixup.misconception("λ is always ½, whatever α says: no picture stays nearly as it was. λ is drawn.")
def always_mixes_half(x, y, alpha, num_classes, generator=None):
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return (x + x[partner]) / 2, (labels + labels[partner]) / 2


@mixup.misconception("Every picture met itself: λ times itself and 1 − λ times itself is what it was. The partner is "
                     "another picture of the batch.")
def mixes_with_itself(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x, share * labels + (1 - share) * labels


@mixup.misconception("Both pictures got λ. What is left for the partner is 1 − λ, so that the picture is neither "
                     "darker nor brighter and the shares of the label add up to 1.")
def gives_lambda_to_both(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + share * x[partner], share * labels + share * labels[partner]


@mixup.misconception("The pixels are mixed by λ, the labels half and half. A picture that is nine tenths a 3 is nine "
                     "tenths a 3 in its label, too.")
def halves_the_labels(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], (labels + labels[partner]) / 2


@mixup.misconception("The mixed labels were made whole numbers again: shares of 0.7 and 0.3 both became 0, and the net "
                     "learns from nothing. Labels that are mixed are float32.")
def makes_labels_whole(x, y, alpha, num_classes, generator=None):
    mixed, labels = _mixed(x, y, alpha, num_classes, generator)
    return mixed, labels.long()


@mixup.misconception("`num_classes` plays no part: `F.one_hot` without it makes as many columns as the batch happens "
                     "to need. A batch without a 9 has rows of another length then.")
def counts_the_classes_of_the_batch(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("A generator is made, or set back to its seed, in each call: every batch gets the same λ and the "
                     "same partners. Draw from `generator` as it comes.")
def mixes_by_a_seed_of_its_own(x, y, alpha, num_classes, generator=None):
    return _mixed(x, y, alpha, num_classes, torch.Generator().manual_seed(0))


@mixup.misconception("Each call draws from a copy of the generator, or from its first seed again: the next call gives "
                     "the same λ and partners. Draw from `generator` itself, so that it moves on.", literal=True)
def mixes_from_a_copy(x, y, alpha, num_classes, generator=None):
    return _mixed(x, y, alpha, num_classes, None if generator is None else generator.clone_state())


@mixup.misconception("The class numbers were mixed: half a 3 and half an 8 became 5.5, which is no digit. A label "
                     "that can be mixed is a row of shares, one for each class: one-hot first.")
def mixes_class_numbers(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    return share * x + (1 - share) * x[partner], share * y + (1 - share) * y[partner]


@mixup.misconception("`x` was scaled in place and then asked for the partner: the partner had been scaled, too, and "
                     "the shares no longer add up to 1. Make a new tensor.")
def scales_in_place(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    x *= share
    x += (1 - share) * x[partner]
    return x, share * labels + (1 - share) * labels[partner]


@mixup.misconception("λ or the partners come from other numbers than the generator's, so no seed repeats the batch. "
                     "`torch.distributions` cannot take a generator; the notebook's `draw_beta` can.", literal=True)
def mixes_by_other_numbers(x, y, alpha, num_classes, generator=None):
    share = torch.distributions.Beta(alpha, alpha).sample()
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("Where no generator is given, a new one is made in each call. All new ones start from the same "
                     "number, so every batch gets the same λ and the same partners. Pass None on, as it is.",
                     literal=True)
def mixes_with_a_new_one(x, y, alpha, num_classes, generator=None):
    return _mixed(x, y, alpha, num_classes, generator or torch.Generator())


@mixup.misconception("λ is never above ½: the smaller of λ and 1 − λ was taken. Beta(α, α) is as often above ½ as "
                     "below: take it as it is drawn.", literal=True)
def takes_the_smaller_share(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    share = min(share, 1 - share)
    partner = torch.randperm(len(x), generator=generator)
    labels = F.one_hot(y, num_classes).float()
    return share * x + (1 - share) * x[partner], share * labels + (1 - share) * labels[partner]


@mixup.misconception("The labels take the dtype of the pixels. Labels are float32, whatever the pixels are.")
def gives_labels_the_pixels_dtype(x, y, alpha, num_classes, generator=None):
    mixed, labels = _mixed(x, y, alpha, num_classes, generator)
    return mixed, labels.to(x.dtype)


@mixup.misconception("The labels are float64. They are asked for as float32; NumPy's numbers and `double()` make "
                     "float64.")
def gives_labels_as_float64(x, y, alpha, num_classes, generator=None):
    mixed, labels = _mixed(x, y, alpha, num_classes, generator)
    return mixed, labels.double()


@mixup.misconception("`generator` is used nowhere: λ and the partners come from torch's own numbers. Hand it to "
                     "everything that draws.", literal=True)
def ignores_the_generator(x, y, alpha, num_classes, generator=None):
    return _mixed(x, y, alpha, num_classes)


@mixup.misconception("The pixels became float32. They keep the dtype in which they came; `float()`, or a λ for "
                     "each picture in a tensor of its own dtype, changes it.", literal=True)
def makes_pixels_float32(x, y, alpha, num_classes, generator=None):
    mixed, labels = _mixed(x, y, alpha, num_classes, generator)
    return mixed.float(), labels


@mixup.alternative
def mixes_with_any_of_the_batch(x, y, alpha, num_classes, generator=None):
    share = _beta(alpha, generator)
    partner = torch.randint(len(x), (len(x),), generator=generator)
    labels = torch.eye(num_classes)[y]
    return torch.lerp(x[partner], x, share), torch.lerp(labels[partner], labels, share)


@mixup.alternative
def mixes_each_picture_its_own_way(x, y, alpha, num_classes, generator=None):
    share = torch.tensor([_beta(alpha, generator) for _ in range(len(x))], dtype=x.dtype)
    partner = torch.randperm(len(x), generator=generator)
    labels = torch.zeros(len(x), num_classes)
    labels[torch.arange(len(x)), y] += share.float()
    labels[torch.arange(len(x)), y[partner]] += 1 - share.float()
    column = share.reshape(-1, *[1] * (x.ndim - 1))
    return column * x + (1 - column) * x[partner], labels


@mixup.alternative
def mixes_by_lerp(x, y, alpha, num_classes, generator=None):
    partner = torch.randperm(len(x), generator=generator)
    gammas = torch._standard_gamma(torch.full((2,), float(alpha), dtype=torch.float64), generator=generator)
    share = (gammas[0] / gammas.sum()).item()
    labels = torch.eye(num_classes)[y]
    return torch.lerp(x[partner], x, share), torch.lerp(labels[partner], labels, share)


@mixup.alternative
def mixes_with_the_one_some_places_on(x, y, alpha, num_classes, generator=None):
    seed = int(torch.randint(2**31, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        share = torch.distributions.Beta(torch.tensor(float(alpha)), torch.tensor(float(alpha))).sample()
        places = int(torch.randint(len(x), ()))
    labels = F.one_hot(y, num_classes).to(torch.get_default_dtype())
    return x * share + x.roll(places, 0) * (1 - share), labels * share + labels.roll(places, 0) * (1 - share)
