"""How `label_preserving` is examined."""

import torch
import torch.nn.functional as F

from convcraft.exam import aspect, exercise


def _kept(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        predicted = predict(torch.stack([transform(image) for image in images]))
        kept[name] = [int(digit) for digit in labels.unique()
                      if (predicted[labels == digit] == digit).double().mean().item() >= threshold]
    return kept


def _brightest_column(images):
    """A net of the examiner's: the digit is the brightest of ten columns."""
    return images.mean((1, 2)).argmax(1)


def _columns(digits):
    """Pictures (N, 1, 3, 10) that `_brightest_column` takes for `digits`."""
    return F.one_hot(digits, 10).float()[:, None, None].expand(-1, 1, 3, 10).clone()


def _swap_columns(x):
    return x.reshape(-1, 1, 3, 10).flip(-1).reshape(x.shape)  # of these pictures alone


def _swap_rows(x):
    return x.reshape(-1, 1, 3, 10).flip(-2).reshape(x.shape)


def _shift_columns(x):
    return x.reshape(-1, 1, 3, 10).roll(1, -1).reshape(x.shape)


_HARMLESS = {"upside down": _swap_rows}


_THREE = {"shift": _shift_columns, "mirror": _swap_columns, "upside down": _swap_rows}


@exercise(points=9, reference=_kept)
def label_preserving(impl, draw):
    def guesses(digits, counts, rights):
        """Labels, and pictures of which so many are taken for their digit; the others for the digit before it."""
        labels, seen = [], []
        for digit, count, right in zip(digits, counts, rights, strict=True):
            labels += [digit] * count
            seen += [digit] * right + [(digit - 1) % 10] * (count - right)
        order = torch.randperm(len(labels), generator=draw.generator())
        first = [labels.index(digit) for digit in reversed(digits)]  # nobody meets them in ascending order by chance
        order = first + [place for place in order.tolist() if place not in first]
        return _columns(torch.tensor(seen)[order]), torch.tensor(labels)[order]

    def shuffled(values):
        """A value a digit, in random order; digits 5 (which a mirror may keep) and 9 always get the last two."""
        others = [values[place] for place in torch.randperm(8, generator=draw.generator()).tolist()]
        return [*others[:5], values[8], *others[5:], values[9]]

    def run(transforms, digits, counts, rights, *threshold):
        images, labels = guesses(digits, counts, rights)
        return impl(transforms, images, labels, _brightest_column, *threshold)

    every = list(range(10))

    def left_alone():
        images, labels = guesses(every, [4] * 10, shuffled([4, 4, 4, 4, 4, 2, 2, 0, 0, 0]))
        kept_images, kept_labels = images.clone(), labels.clone()
        kept = impl({"nothing": _swap_rows, "mirror": _swap_columns}, images, labels, _brightest_column, 0.75)
        return [kept, torch.equal(images, kept_images), torch.equal(labels, kept_labels)]

    yield aspect("shares",
                 "For each digit count the share of its pictures that are predicted as that digit after the "
                 "transform; keep the digits whose share is large enough.",
                 lambda: [run(_HARMLESS, every, shuffled([4, 5, 6, 7, 8, 4, 5, 6, 7, 8]), [3] * 10, 0.55),
                          run(_HARMLESS, every, [12] * 10, shuffled([12, 11, 11, 10, 8, 6, 5, 3, 1, 0]), 0.6)])
    yield aspect("every transform",
                 "Each transform starts from the original pictures, and the result has its name.",
                 lambda: run(_THREE, every, [4] * 10,
                             shuffled([4, 4, 4, 4, 4, 4, 4, 0, 0, 0])))
    yield aspect("labels decide", "What counts is the label, not what the net said before the transform.",
                 lambda: [run({"shift": _shift_columns, "upside down": _swap_rows}, every, [12] * 10,
                              shuffled([12, 11, 12, 11, 8, 6, 2, 0, 1, 0]), threshold) for threshold in (0.9, 0.5)])
    yield aspect("at least",
                 "At least that share: a share equal to the threshold is enough.",
                 lambda: [*(run(_HARMLESS, every, [4] * 10, shuffled([4, 4, 3, 3, 3, 2, 2, 1, 1, 0]), threshold)
                            for threshold in (0.75, 0.5)),
                          run(_HARMLESS, every, [10] * 10, shuffled([10, 10, 9, 9, 9, 8, 8, 7, 9, 5]), 0.9)])
    yield aspect("default", "The threshold is 0.9 if none is given.",
                 lambda: run(_HARMLESS, every, [16] * 10,  # 14 of 16 are 0.875, and 0.9 only if rounded
                             shuffled([16, 15, 15, 15, 14, 14, 14, 13, 9, 6])))
    yield aspect("digits that are there",
                 "Digits come in ascending order as `int`; one without any picture is not in the list, and a "
                 "transform that keeps none has an empty list.",
                 lambda: run(_THREE, [1, 3, 6, 9], [4, 3, 4, 5], [4, 3, 0, 5]))
    yield aspect("left alone", "`label_preserving` leaves `images` and `labels` as they were.", left_alone)


@label_preserving.misconception("The predictions after the transform were compared with those before it. A picture "
                                "that the net gets wrong both times counts as kept; the label is what must be met.")
def compares_with_predictions(transforms, images, labels, predict, threshold=0.9):
    before = predict(images)
    kept = {}
    for name, transform in transforms.items():
        same = predict(torch.stack([transform(image) for image in images])) == before
        kept[name] = [int(d) for d in labels.unique() if same[labels == d].double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("A share equal to the threshold was not enough: \"at least\" is >=, not >.")
def wants_more_than_the_threshold(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [int(d) for d in labels.unique() if right[labels == d].double().mean().item() > threshold]
    return kept


@label_preserving.misconception("Nine of ten were not 0.9: the share was taken in float32, where 0.9 is 0.89999998, "
                                "and compared with Python's 0.9. Count whole numbers, or take the mean in float64.",
                                literal=True)
def rounds_the_share(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        predicted = predict(torch.stack([transform(image) for image in images]))
        kept[name] = [int(digit) for digit in labels.unique()
                      if (predicted[labels == digit] == digit).float().mean().item() >= threshold]
    return kept


@label_preserving.misconception("The share was taken over all digits together, so all are kept or none. A turn can be "
                                "kind to 8 and 0 and ruin 6 and 9: count for each digit.")
def judges_all_together(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [int(d) for d in labels.unique()] if right.double().mean().item() >= threshold else []
    return kept


@label_preserving.misconception("The share was taken among the pictures that were *predicted* as the digit (its "
                                "precision). It is asked among those that *are* the digit.")
def measures_precision(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        predicted = predict(torch.stack([transform(image) for image in images]))
        kept[name] = [int(d) for d in labels.unique() if (predicted == d).any()
                      and (labels[predicted == d] == d).double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("Each transform was applied to what the one before had made. They are tried one by "
                                "one, each on the original pictures.")
def chains_the_transforms(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        images = torch.stack([transform(image) for image in images])
        right = predict(images) == labels
        kept[name] = [int(d) for d in labels.unique() if right[labels == d].double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("The net was shown the original pictures: the transforms were never applied, and "
                                "every one of them seems harmless.")
def never_transforms(transforms, images, labels, predict, threshold=0.9):
    right = predict(images) == labels
    return {name: [int(d) for d in labels.unique() if right[labels == d].double().mean().item() >= threshold]
            for name in transforms}


@label_preserving.misconception("These are the digits that the transform destroys. The ones that it keeps are asked "
                                "for.")
def lists_the_destroyed(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [int(d) for d in labels.unique() if right[labels == d].double().mean().item() < threshold]
    return kept


@label_preserving.misconception("The right ones of a digit were divided by the number of all pictures. Divide by the "
                                "number of that digit's pictures, or no share ever reaches 0.9.")
def divides_by_all(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [int(d) for d in labels.unique()
                      if (right & (labels == d)).sum().item() / len(labels) >= threshold]
    return kept


@label_preserving.misconception("The digits are tensors. A list of `int` was asked for: `int(digit)` or `.tolist()` "
                                "makes them.")
def keeps_tensors(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [d for d in labels.unique() if right[labels == d].double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("`threshold` plays no part: 0.9 stands in the code. It is the value where none is "
                                "given; one that is given counts.")
def ignores_the_threshold(transforms, images, labels, predict, threshold=0.9):
    return _kept(transforms, images, labels, predict)


@label_preserving.misconception("The digits stand in the order in which the labels happen to come. They are asked for "
                                "in ascending order.")
def keeps_the_order_of_the_labels(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [d for d in dict.fromkeys(labels.tolist())
                      if right[labels == d].double().mean().item() >= threshold]
    return kept


@label_preserving.misconception("The largest digit is never asked about: `range(n)` ends at n − 1.")
def forgets_the_last_digit(transforms, images, labels, predict, threshold=0.9):
    kept = _kept(transforms, images, labels, predict, threshold)
    return {name: [d for d in digits if d < int(labels.max())] for name, digits in kept.items()}


@label_preserving.misconception("A transform that keeps no digit is missing from the dictionary. It belongs there, "
                                "with an empty list.")
def leaves_out_the_empty(transforms, images, labels, predict, threshold=0.9):
    return {name: kept for name, kept in _kept(transforms, images, labels, predict, threshold).items() if kept}


@label_preserving.misconception("A digit without any picture is in the list. Of no pictures no share is read as "
                                "anything: ask only about the digits that are among the labels.", literal=True)
def keeps_digits_without_pictures(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [d for d in range(10) if not right[labels == d].double().mean().item() < threshold]
    return kept


@label_preserving.misconception("A digit without any picture was asked about, and its share is nothing divided by "
                                "nothing. Ask only about the digits that are among the labels.", literal=True)
def divides_by_no_pictures(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [d for d in range(10) if sum(right[labels == d].tolist()) / sum((labels == d).tolist())
                      >= threshold]
    return kept


@label_preserving.misconception("One list serves all transforms: each adds its digits to those of the ones before it. "
                                "Begin a new list for each.")
def fills_one_list(transforms, images, labels, predict, threshold=0.9):
    found, kept = [], {}
    for name, digits in _kept(transforms, images, labels, predict, threshold).items():
        found += digits
        kept[name] = found
    return kept


@label_preserving.misconception("Only the pictures that the net had read rightly before were asked about. The share is "
                                "one of all the digit's pictures, also of those that it never read.")
def asks_what_was_right_before(transforms, images, labels, predict, threshold=0.9):
    right = predict(images) == labels
    return {name: [] for name in transforms} | _kept(transforms, images[right], labels[right], predict, threshold)


@label_preserving.misconception("The shares were rounded before they were compared, and 0.875 passed for 0.9. Compare "
                                "them as they are.", literal=True)
def rounds_to_tenths(transforms, images, labels, predict, threshold=0.9):
    kept = {}
    for name, transform in transforms.items():
        right = predict(torch.stack([transform(image) for image in images])) == labels
        kept[name] = [int(d) for d in labels.unique()
                      if round(right[labels == d].double().mean().item(), 1) >= threshold]
    return kept


@label_preserving.alternative
def keeps_by_counting(transforms, images, labels, predict, threshold=0.9):
    total = torch.bincount(labels, minlength=10).tolist()
    kept = {}
    for name, transform in transforms.items():
        predicted = predict(transform(images))
        right = torch.bincount(labels[predicted == labels], minlength=10).tolist()
        kept[name] = [digit for digit in range(10) if total[digit] and right[digit] / total[digit] >= threshold]
    return kept


@label_preserving.alternative
def keeps_picture_by_picture(transforms, images, labels, predict, threshold=0.9):
    def share(transform, digit):
        chosen = [image for image, label in zip(images, labels.tolist(), strict=True) if label == digit]
        return sum(int(predict(transform(image)[None])) == digit for image in chosen) / len(chosen)

    return {name: [digit for digit in sorted(set(labels.tolist())) if share(transform, digit) >= threshold]
            for name, transform in transforms.items()}


@label_preserving.alternative
def keeps_digit_by_digit(transforms, images, labels, predict, threshold=0.9):
    kept = {name: [] for name in transforms}
    for digit in range(int(labels.max()) + 1):
        chosen = images[labels == digit]
        for name, transform in transforms.items():
            if len(chosen):
                hits = predict(torch.stack([transform(image.clone()) for image in chosen])).eq(digit)
                if hits.float().mean() >= threshold:
                    kept[name].append(digit)
    return kept
