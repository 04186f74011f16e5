"""How `make_loaders` is examined."""

from contextlib import contextmanager

import torch
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset, get_worker_info, random_split
from torch.utils.data._utils import worker

from convcraft.exam import aspect, exercise, seeded

from .shared import _takes_generator


@contextmanager
def _in_worker(number, dataset, epoch=0):
    """As if this process were a worker of a `DataLoader`."""
    before, seed = worker._worker_info, 100 * (1 + epoch) + number
    torch.manual_seed(seed)
    worker._worker_info = worker.WorkerInfo(id=number, num_workers=2, seed=seed, dataset=dataset)
    try:
        yield
    finally:
        worker._worker_info = before


class _Transformed(Dataset):
    """Pictures that are transformed when they are asked for, then normalised."""

    def __init__(self, images, labels, transform, mean, std, generator):
        self.images, self.labels, self.transform = images, labels, transform
        self.mean, self.std, self.generator = mean, std, generator

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        image = self.images[index]
        if self.transform is not None:
            image = _called(self.transform, image, self.generator)
        return (image - self.mean) / self.std, self.labels[index]


class _Collate:
    """Pictures that are transformed when a batch is made of them."""

    def __init__(self, *settings):
        self.settings = settings

    def __call__(self, items):
        pictures, labels = zip(*items, strict=True)
        made = _Transformed(torch.stack(pictures), torch.stack(labels), *self.settings)
        return torch.stack([made[place][0] for place in range(len(made))]), made.labels


def _called(transform, image, generator):
    if get_worker_info() is not None:
        generator = None  # a worker has a copy, the same as the other workers; torch's own is seeded for each
    return transform(image, generator=generator) if _takes_generator(transform) else transform(image)


class _Copied(_Transformed):
    """The same, drawing from the generator also in a worker, where it is a copy."""

    def __getitem__(self, index):
        image = self.transform(self.images[index], generator=self.generator)
        return (image - self.mean) / self.std, self.labels[index]


def _parts(images, generator):
    order = torch.randperm(len(images), generator=generator)
    count = int(0.8 * len(images))
    return order[:count], order[count:]


def _stats(images):
    return images.mean((0, 2, 3))[:, None, None], images.std((0, 2, 3))[:, None, None]


def _two_loaders(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return (DataLoader(_Transformed(images[train], labels[train], transform, mean, std, generator), batch_size,
                       shuffle=True, generator=generator, num_workers=num_workers),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size,
                       num_workers=num_workers))


_COUNT = 50


def _catalogue():
    """Fifty pictures (2, 4, 4), each carrying its number, and two pixels, 0 and 1, that show any scaling."""
    number = torch.arange(_COUNT, dtype=torch.float32)
    images = torch.stack([(number / _COUNT) ** 2, ((17 * number) % _COUNT / _COUNT) ** 3], 1)[..., None, None]
    images = images.repeat(1, 1, 4, 4) * torch.linspace(0.5, 1.5, 16).reshape(4, 4)
    images[..., 0, 0], images[..., 0, 1], images[..., 0, 3] = 0, 1, 0
    images[..., 0, 2] = number[:, None] / 64
    return images


def _classes():
    return torch.arange(_COUNT) * 7 % 10


def _marks(x, generator=None):
    """A transform that writes what it draws into a corner, and beside it how it found the picture."""
    x = x.clone()
    again = 8 * (x[..., 1, 0, 3] > 2)  # it has been here before
    x[..., 0, 0, 3] = torch.rand((), generator=generator)
    x[..., 1, 0, 3] = x[..., 1, 0, 1] - x[..., 1, 0, 0] + x.ndim + again
    return x


def _epoch(loader, sizes=False):
    batches = [(images, labels) for images, labels in loader]
    if not batches:
        raise ValueError("a loader gives no batch at all")
    seen = {"images": torch.cat([images for images, _ in batches]),
            "labels": torch.cat([labels for _, labels in batches])}
    return seen | {"sizes": [len(labels) for _, labels in batches]} if sizes else seen


def _raw(images):
    """What the pixels were before the scaling that the two marked pixels show, and (mean, std) of that scaling."""
    low, high = images[..., :1, :1], images[..., :1, 1:2]
    std = 1 / (high - low)
    return (images - low) * std, (-low * std).flatten(1), std.flatten(1)


def _numbers(raw):
    return (raw[:, 0, 0, 2] * 64).round().long()


def _scaled_by(images, train, validation):
    """Whose mean and standard deviation the pixels were normalised with."""
    _, mean, std = _raw(images)
    if mean.std(0).max() > 1e-3 or std.std(0).max() > 1e-3:
        return "each picture its own"
    mean, std, whole = mean.mean(0), std.mean(0), _catalogue()
    for name, part in (("the training part", whole[train]), ("all pictures", whole),
                       ("the validation part", whole[validation])):
        for unbiased in (True, False):
            if torch.allclose(mean, part.mean((0, 2, 3)), rtol=0, atol=1e-4) and torch.allclose(
                    std, part.std((0, 2, 3), unbiased=unbiased), rtol=0, atol=1e-4):
                return name
    part = whole[train]
    if torch.allclose(mean, part.mean((0, 2, 3)), rtol=0, atol=1e-4) and torch.allclose(
            std, part.std((2, 3)).mean(0), rtol=0, atol=1e-2):
        return "the mean of the pictures' own standard deviations"
    # `_marks` wrote 4 for about 0 into one of sixteen pixels of the second channel.
    if 0.15 < mean[1] - part[:, 1].mean() < 0.35 and abs(mean[0] - part[:, 0].mean()) < 0.1:
        return "the training part, after augmentation"
    if torch.allclose(std, part.var((0, 2, 3)), atol=1e-3) and torch.allclose(mean, part.mean((0, 2, 3)), atol=1e-3):
        return "the variance in place of the standard deviation"
    if torch.allclose(mean, part.mean().expand(2), atol=1e-3) and torch.allclose(std, part.std().expand(2), atol=1e-3):
        return "one mean and one standard deviation for all channels"
    return "0 and 1" if torch.allclose(std, torch.ones(2), atol=1e-4) and mean.abs().max() < 1e-4 else "others"


@exercise(points=10, reference=_two_loaders)
def make_loaders(impl, draw):
    def made(batch_size=10):  # no batch is smaller than the others: that is looked at in `batches`
        return impl(_catalogue(), _classes(), _marks, batch_size, draw.generator())

    def one_epoch():
        return [_epoch(loader) for loader in made()]

    def split(seen, right):
        train, validation = (_numbers(_raw(part["images"])[0]) for part in seen)
        return {"pictures": [len(train.unique()), len(validation.unique())],
                "in both": len(set(train.tolist()) & set(validation.tolist())),
                "in order": bool((validation.sort().values == torch.arange(40, 50)).all()),
                "each keeps its label": all((_classes()[numbers.clamp(0, 49)] == part["labels"]).all()
                                            for numbers, part in zip((train, validation), seen, strict=True))}

    def two_epochs():
        train, _ = made()
        return [_epoch(train)["images"], _epoch(train)["images"]]

    def drawn(seen, right):
        raws = [_raw(images)[0] for images in seen]
        first, second = (raw[_numbers(raw).argsort()][:, 0, 0, 3] for raw in raws)
        # The transform writes (1 − 0) + 3: it found pixels from 0 to 1, and one picture of three axes.
        found, later = (raw[:, 1, 0, 3] for raw in raws)
        return {"augmented": bool((first.abs() > 1e-6).any()),
                "different draws": "for every picture" if len((first * 1e5).round().unique()) > 36
                                   else "for every batch" if len((first * 1e5).round().unique()) > 1 else "one",
                "anew each epoch": bool(((first - second).abs() > 1e-4).float().mean() > 0.8),
                "always from the original": bool((later < 8).all()),
                "one picture at a time": bool((found.round() == 4).all()),
                "before normalising": bool(((found - found.round()).abs() < 1e-3).all())}

    def order(seen, right):
        first, second = (_numbers(_raw(images)[0]) for images in seen)
        return {"a new order": not torch.equal(first, second), "the same pictures": sorted(first.tolist())
                == sorted(second.tolist()), "each once": len(first.unique()) == len(first)}

    def validation_twice():
        _, validation = made()
        return [_epoch(validation)["images"] for _ in range(2)]

    def untouched(seen, right):
        raws = [_raw(images)[0] for images in seen]
        ordered = [images[_numbers(raw).argsort()] for images, raw in zip(seen, raws, strict=True)]
        return {"as they were": [bool(torch.allclose(raw, _catalogue()[_numbers(raw).clamp(0, 49)], atol=1e-4))
                                 for raw in raws], "the same twice": torch.allclose(*ordered, atol=1e-5)}

    def scaling(seen, right):
        train, validation = (_numbers(_raw(part["images"])[0]).clamp(0, 49) for part in seen)
        return {"training": _scaled_by(seen[0]["images"], train, validation),
                "validation": _scaled_by(seen[1]["images"], train, validation)}

    def batches():
        train, validation = made(7)  # in both parts the last one is smaller
        shown = []
        for loader in (train, validation):
            epoch = _epoch(loader, sizes=True)
            shown.append({"a DataLoader": isinstance(loader, DataLoader), "batch sizes": epoch["sizes"],
                          "other processes": getattr(loader, "num_workers", None),
                          "shape": list(epoch["images"].shape), "pixels": str(epoch["images"].dtype),
                          "labels": str(epoch["labels"].dtype)})
        return dict(zip(("training", "validation"), shown, strict=True))

    def both(generator):
        train, validation = impl(_catalogue(), _classes(), _marks, 10, generator)
        return torch.stack([torch.cat([_epoch(train)["images"], _epoch(validation)["images"]]) for _ in range(2)])

    def seeds(seen, right):
        raws = [_raw(images.flatten(0, 1))[0] for images in seen]
        numbers = [_numbers(raw).reshape(2, -1) for raw in raws]
        draws = [raw[:, 0, 0, 3].reshape(2, -1)[:, :40] for raw in raws]
        parts = [set(shown[0, :40].tolist()) for shown in numbers]
        return {"the same seed, the same split": parts[0] == parts[1],
                "the same seed, the same order": torch.equal(numbers[0][:, :40], numbers[1][:, :40]),
                "the same seed, the same draws": torch.allclose(draws[0], draws[1], atol=1e-4),
                "another seed, another split": parts[0] != parts[2],
                "another seed, another order": not torch.equal(numbers[0], numbers[2]),
                "another seed, other draws": not torch.allclose(draws[0], draws[2], atol=1e-4)}

    def workers():
        generator = draw.generator()
        train, validation = impl(_catalogue(), _classes(), _marks, 16, generator, num_workers=2)
        state, shown = generator.get_state(), []
        # What arrives in a worker: a copy of the generator, a seed of PyTorch's, its number.
        for epoch, number in ((0, 0), (0, 1), (1, 0)):
            generator.set_state(state)
            with _in_worker(number, train.dataset, epoch):
                if train.worker_init_fn is not None:
                    train.worker_init_fn(number)
                shown.append(train.collate_fn([train.dataset[place] for place in range(8)])[0])
        handed = (type(getattr(train.dataset, "dataset", train.dataset)), train.collate_fn)
        return {"pictures": torch.stack(shown), "other processes": [train.num_workers, validation.num_workers],
                "made inside a function": ["<locals>" in getattr(part, "__qualname__", "") for part in handed]}

    def own_draws(seen, right):
        first, second, later = (_raw(images)[0][:, 0, 0, 3] for images in seen["pictures"])
        return seen | {"pictures": {"the second worker draws": "the same" if torch.allclose(first, second, atol=1e-4)
                                    else "numbers of its own",
                                    "in the next epoch it draws": "the same" if torch.allclose(first, later, atol=1e-4)
                                    else "numbers of its own",
                                    "in a worker all pictures draw": "the same" if first.std() < 1e-4
                                    else "numbers of their own",
                                    "augmented": bool((first.abs() > 1e-6).any())}}

    def left_alone():
        images, labels = _catalogue(), _classes()
        train, validation = impl(images, labels, _marks, 10, draw.generator())
        return [images, labels, [len(_epoch(train)["labels"]), len(_epoch(validation)["labels"])]]

    yield aspect("split",
                 "The split is random, 80 % for training and 20 % for validation; no picture is in both, and each "
                 "keeps its label.",
                 one_epoch, view=split)
    yield aspect("augmentation", "Each training picture is transformed when it is fetched: draws of its own for every "
                                 "picture and every epoch, one (C, H, W) picture at a time, before it is normalised.",
                 two_epochs, view=drawn)
    yield aspect("epochs",
                 "An epoch of training shows each training picture once, in a new order every time.",
                 two_epochs,
                 view=order)
    yield aspect("validation", "The validation pictures are never transformed, only normalised.", validation_twice,
                 view=untouched)
    yield aspect("normalising",
                 "Both parts are normalised channel by channel, with the mean and standard deviation that the training "
                 "part has before augmentation.",
                 one_epoch, view=scaling)
    yield aspect("batches",
                 "Both are `DataLoader`s with `num_workers` processes, none unless asked for, and give batches of "
                 "(images, labels), the last one smaller where the pictures run out.",
                 batches)
    yield aspect("seed", "Split, order and augmentation are drawn from `generator` alone.", lambda: seeded(both, draw),
                 view=seeds)
    yield aspect("two workers",
                 "With two workers each draws numbers of its own, and what is handed to them, the data set's class "
                 "among it, is not made inside the function.",
                 workers, view=own_draws)
    yield aspect("left alone", "`make_loaders` leaves `images` and `labels` as they were.", left_alone)


def _loaders(train, validation, batch_size, generator, num_workers):
    return (DataLoader(train, batch_size, shuffle=True, generator=generator, num_workers=num_workers),
            DataLoader(validation, batch_size, num_workers=num_workers))


@make_loaders.misconception("The validation pictures are augmented, too. Then the measure itself trembles, and tells "
                            "how well the net reads spoilt digits. Only training is augmented.", literal=True)
def augments_validation(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], transform, mean, std, generator),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Mean and standard deviation were taken over all pictures, those of validation included. "
                            "What is measured with must not have helped to build: take them from the training part.",
                            literal=True)
def fits_on_everything(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images)
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Each part was normalised with its own figures. The net learns on one scale and is "
                            "measured on another; a single new picture would have no figures at all. Use the training "
                            "part's for both.")
def fits_each_part(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    return _loaders(_Transformed(images[train], labels[train], transform, *_stats(images[train]), generator),
                    _Transformed(images[validation], labels[validation], None, *_stats(images[validation]), None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("One mean and one standard deviation were taken over all channels. Each channel has its "
                            "own: leave out the channels' axis where you average.")
def normalises_channels_alike(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = images[train].mean(), images[train].std()
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The pixels were divided by the variance. The standard deviation is its root.")
def divides_by_the_variance(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std ** 2, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std ** 2, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The pictures were split, the labels not, or by other numbers: pictures meet labels that "
                            "are not theirs. Index both with the same numbers.")
def forgets_to_split_the_labels(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[:len(train)], transform, mean, std, generator),
                    _Transformed(images[validation], labels[len(train):], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The transformed picture was written back over the original, so the next epoch transforms "
                            "it again: the turns add up, and in the end little is left. Keep the originals as they "
                            "are.")
def overwrites_the_originals(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    kept = images[train].clone()

    def overwrite(image, generator=None):
        image.copy_(_called(transform, image, generator))
        return image

    return _loaders(_Transformed(kept, labels[train], overwrite, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The validation loader came first. The order is (train, validation).")
def returns_validation_first(images, labels, transform, batch_size, generator, num_workers=0):
    return _two_loaders(images, labels, transform, batch_size, generator, num_workers)[::-1]


@make_loaders.misconception("The order of the epochs does not come from the generator: the training `DataLoader` "
                            "shuffles by numbers of torch's own unless it is given one.")
def shuffles_by_other_numbers(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, None, num_workers)


@make_loaders.misconception("The split does not come from the generator: the same seed puts other pictures into the "
                            "training part each time.")
def splits_by_other_numbers(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, None)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Nothing was normalised: the pixels come out from 0 to 1, as in the notes, where the line "
                            "is commented out.")
def forgets_to_normalise(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    return _loaders(_Transformed(images[train], labels[train], transform, 0.0, 1.0, generator),
                    _Transformed(images[validation], labels[validation], None, 0.0, 1.0, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The pictures were normalised before the transform saw them. The transform expects pixels "
                            "from 0 to 1, and the zeros that a crop or a turn puts in are black only then.")
def normalises_first(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    scaled = (images - mean) / std
    return _loaders(_Transformed(scaled[train], labels[train], transform, 0.0, 1.0, generator),
                    _Transformed(scaled[validation], labels[validation], None, 0.0, 1.0, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The transform was called once for a whole batch, so all its pictures were turned by the "
                            "same angle. Call it where one picture is fetched, in the data set's `__getitem__`.")
def draws_once_a_batch(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])

    def collate(items):
        batch = torch.stack([image for image, _ in items])
        return (_called(transform, batch, generator) - mean) / std, torch.stack([label for _, label in items])

    return (DataLoader(TensorDataset(images[train], labels[train]), batch_size, shuffle=True, generator=generator,
                       collate_fn=collate),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size,
                       num_workers=num_workers))


@make_loaders.misconception("A training picture comes out alike in every epoch: it was transformed once, beforehand, "
                            "or by numbers that begin anew. Transform it each time it is fetched, by new ones.")
def augments_beforehand(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    changed = torch.stack([_called(transform, image, generator) for image in images[train]])
    return _loaders(_Transformed(changed, labels[train], None, mean, std, None),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Two workers draw the same numbers: each has a copy of the generator, in the same state. "
                            "In a worker let the transform draw from PyTorch's own numbers, `generator=None`.",
                            literal=True)
def hands_out_copies_of_the_generator(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Copied(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The data set's class is made inside the function. Where workers are started afresh, on "
                            "Windows and macOS, it cannot be handed to them: write the class above the function.",
                            literal=True)
def hides_the_class(images, labels, transform, batch_size, generator, num_workers=0):
    class Hidden(_Transformed):
        pass

    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(Hidden(images[train], labels[train], transform, mean, std, generator),
                    Hidden(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The mean and standard deviation were taken after augmentation, over turned and shifted "
                            "pictures. Take them from the training part as it is.")
def measures_augmented_pictures(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(torch.stack([_called(transform, image, generator) for image in images[train]]))
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Training and validation share some pictures: two splits were drawn, one for each part. "
                            "Draw one order, and cut it in two.")
def draws_two_splits(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)[0], _parts(images, generator)[1]
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("`num_workers` is not handed on: the pictures are made in this one process, however many "
                            "others were asked for.", literal=True)
def forgets_the_workers(images, labels, transform, batch_size, generator, num_workers=0):
    return _two_loaders(images, labels, transform, batch_size, generator)


@make_loaders.misconception("`batch_size` plays no part: every picture is a batch of its own. Hand it on to both "
                            "`DataLoader`s.")
def forgets_the_batch_size(images, labels, transform, batch_size, generator, num_workers=0):
    return _two_loaders(images, labels, transform, 1, generator, num_workers)


@make_loaders.misconception("Nothing is augmented: the transform is never called.")
def forgets_the_transform(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], None, mean, std, None),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The training loader shows the pictures in the same order every epoch: `shuffle=True` is "
                            "missing.", literal=True)
def never_shuffles(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return (DataLoader(_Transformed(images[train], labels[train], transform, mean, std, generator), batch_size,
                       generator=generator, num_workers=num_workers),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size,
                       num_workers=num_workers))


@make_loaders.misconception("The first 80 % became the training part. Where a data set is sorted, validation then "
                            "holds digits that training never saw. Draw the split.")
def splits_in_order(images, labels, transform, batch_size, generator, num_workers=0):
    count = int(0.8 * len(images))
    mean, std = _stats(images[:count])
    return _loaders(_Transformed(images[:count], labels[:count], transform, mean, std, generator),
                    _Transformed(images[count:], labels[count:], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The training part holds all pictures, those of validation too: the net is examined on "
                            "what it has learned by heart. The two parts share no picture.")
def trains_on_everything(images, labels, transform, batch_size, generator, num_workers=0):
    _, validation = _parts(images, generator)
    mean, std = _stats(images)
    return _loaders(_Transformed(images, labels, transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The pictures of an incomplete last batch are dropped (`drop_last=True`): part of the "
                            "training part is not seen in an epoch.")
def drops_the_last_batch(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return (DataLoader(_Transformed(images[train], labels[train], transform, mean, std, generator), batch_size,
                       shuffle=True, generator=generator, drop_last=True, num_workers=num_workers),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size,
                       num_workers=num_workers))


@make_loaders.misconception("The standard deviation is the mean of the pictures' own ones. That leaves out how the "
                            "pictures differ from each other: take one over all pixels of the training part.")
def averages_standard_deviations(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = images[train].mean((0, 2, 3))[:, None, None], images[train].std((2, 3)).mean(0)[:, None, None]
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The transform was not given the generator, so the same seed gives other pictures. It "
                            "takes one (`takes_generator` tells): hand it on.")
def augments_by_other_numbers(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, None),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


class _Numbered(_Transformed):
    """The same, drawing in a worker from the worker's number."""

    def __getitem__(self, index):
        info = get_worker_info()
        generator = self.generator if info is None else torch.Generator().manual_seed(info.id)
        return (self.transform(self.images[index], generator=generator) - self.mean) / self.std, self.labels[index]


class _Alone(_Transformed):
    """Each picture normalised with its own figures."""

    def __getitem__(self, index):
        image, label = super().__getitem__(index)
        return (image - image.mean((1, 2), keepdim=True)) / image.std((1, 2), keepdim=True), label


class _InPlace(_Transformed):
    """Pictures that are written over when they are normalised."""

    def __getitem__(self, index):
        image = self.images[index]
        if self.transform is not None:
            image = _called(self.transform, image, self.generator)
        image -= self.mean
        image /= self.std
        return image, self.labels[index]


@make_loaders.misconception("In a worker each picture gets a new generator, seeded with the worker's number: all "
                            "pictures draw the same, in every epoch. Pass None there, and PyTorch's own numbers are "
                            "drawn from.", literal=True)
def seeds_by_the_workers_number(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Numbered(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The validation pictures were not normalised: they still reach from 0 to 1. The net is "
                            "measured on another scale than it learns on; only the transform is for training alone.",
                            literal=True)
def normalises_training_alone(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    TensorDataset(images[validation], labels[validation]), batch_size, generator, num_workers)


@make_loaders.misconception("Each picture was normalised with its own mean and standard deviation. A dark picture and "
                            "a bright one then look alike: use the training part's for all.", literal=True)
def fits_each_picture(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    return _loaders(_Alone(images[train], labels[train], transform, 0.0, 1.0, generator),
                    _Alone(images[validation], labels[validation], None, 0.0, 1.0, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("Normalising changed the stored picture, and the next epoch normalises it again: "
                            "`images[i]` shares its memory, and `-=` writes into it. Make a new one: `(image - mean) / "
                            "std`.", literal=True)
def normalises_in_place(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    return _loaders(_InPlace(images[train], labels[train], transform, mean, std, generator),
                    _InPlace(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.misconception("The split is the same whatever generator is given: a seed stands in the code. Draw the "
                            "order from `generator`, `torch.randperm(n, generator=generator)`.", literal=True)
def splits_by_a_fixed_seed(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, torch.Generator().manual_seed(0))
    mean, std = _stats(images[train])
    return _loaders(_Transformed(images[train], labels[train], transform, mean, std, generator),
                    _Transformed(images[validation], labels[validation], None, mean, std, None),
                    batch_size, generator, num_workers)


@make_loaders.alternative
def loads_by_random_split(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = random_split(TensorDataset(images, labels), [0.8, 0.2], generator=generator)
    pixels = torch.stack([image for image, _ in train])
    mean = pixels.mean(dim=(0, 2, 3)).view(-1, 1, 1)
    std = pixels.var(dim=(0, 2, 3), unbiased=False).sqrt().view(-1, 1, 1)

    return (DataLoader(train, batch_size=batch_size, shuffle=True, generator=generator, num_workers=num_workers,
                       collate_fn=_Collate(transform, mean, std, generator)),
            DataLoader(validation, batch_size=batch_size, num_workers=num_workers,
                       collate_fn=_Collate(None, mean, std, None)))


@make_loaders.alternative
def loads_by_own_seeds(images, labels, transform, batch_size, generator, num_workers=0):
    order = torch.rand(len(images), generator=generator).argsort()
    train, validation = order[len(order) // 5:], order[:len(order) // 5]
    mean, std = _stats(images[train])
    own = torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=generator)))
    shuffler = torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=generator)))
    return (DataLoader(_Transformed(images[train], labels[train], transform, mean, std, own), batch_size, shuffle=True,
                       generator=shuffler, num_workers=num_workers),
            DataLoader(_Transformed(images[validation], labels[validation], None, mean, std, None), batch_size,
                       num_workers=num_workers))


@make_loaders.alternative
def loads_two_views_of_one_set(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    augmented = _Transformed(images, labels, transform, mean, std, generator)
    plain = _Transformed(images, labels, None, mean, std, None)
    sampler = torch.utils.data.SubsetRandomSampler(train.tolist(), generator=generator)
    return (DataLoader(augmented, batch_size, sampler=sampler, generator=generator, num_workers=num_workers),
            DataLoader(Subset(plain, validation.tolist()), batch_size, num_workers=num_workers))


@make_loaders.alternative
def loads_shuffled_validation(images, labels, transform, batch_size, generator, num_workers=0):
    train, validation = _parts(images, generator)
    mean, std = _stats(images[train])
    augmented = _Transformed(images[train], labels[train].tolist(), transform, mean, std, generator)
    batches = torch.utils.data.BatchSampler(torch.utils.data.RandomSampler(augmented, generator=generator), batch_size,
                                            drop_last=False)
    return (DataLoader(augmented, batch_sampler=batches, generator=generator, num_workers=num_workers),
            DataLoader(_Transformed(images[validation], labels[validation].tolist(), None, mean, std, None),
                       batch_size, shuffle=True, generator=generator, num_workers=num_workers))


make_loaders.equivalent(
    "def __init__(self, images, labels, mean, std, transform=None, generator=None): -> "
    "def __init__(self, images, labels, mean, std, transform=None, generator=0):",
    "Only the validation part leaves the generator out, and it transforms nothing.")
make_loaders.equivalent(
    "def __init__(self, images, labels, mean, std, transform=None, generator=None): -> "
    "def __init__(self, images, labels, mean, std, transform=None, generator=1):",
    "Only the validation part leaves the generator out, and it transforms nothing.")
