"""Chapter 7's make_loaders with two processes: each draws numbers of its own, anew in each epoch, from the one seed."""

import pytest
import torch
from conftest import CHAPTERS
from torch.utils.data import DataLoader, TensorDataset

from convcraft.author.prove import namespace

CHAPTER, = (chapter for chapter in CHAPTERS if chapter.name == "07_augmentation")
EXERCISE = CHAPTER.exercises["make_loaders"]


def solution(*args, **kwargs):
    """The chapter's own make_loaders."""
    return namespace(CHAPTER.notebook(), CHAPTER.name)["make_loaders"](*args, **kwargs)


def drawn(image, generator=None):
    """A transform that shows what it draws."""
    return torch.full_like(image, torch.rand((), generator=generator).item())


def two_epochs(make_loaders):
    """What two workers have drawn for 40 training pictures, batches of 5, in two epochs: (2, 8, 5)."""
    images, labels = torch.linspace(0, 1, 200).reshape(50, 1, 2, 2), torch.arange(50) % 10
    train, _ = make_loaders(images, labels, drawn, 5, torch.Generator().manual_seed(0), num_workers=2)
    train.timeout = 60  # seconds for a batch, then RuntimeError
    return torch.stack([torch.stack([pictures[:, 0, 0, 0] for pictures, _ in train]) for _ in range(2)])


def hands_out_copies(images, labels, transform, batch_size, generator, num_workers):
    """The mistake: the generator itself is used in the workers, which have copies of it."""
    def collate(items):
        return torch.stack([transform(image, generator=generator) for image, _ in items]), None

    train = DataLoader(TensorDataset(images[:40], labels[:40]), batch_size, shuffle=True, num_workers=num_workers,
                       generator=torch.Generator().manual_seed(1), collate_fn=collate)
    return train, None


@pytest.mark.parametrize("make_loaders", [solution, EXERCISE.reference, *EXERCISE.alternatives],
                         ids=lambda answer: answer.__name__.strip("_"))
def test_workers_draw_numbers_of_their_own(make_loaders):
    draws = two_epochs(make_loaders)
    assert draws.shape == (2, 8, 5)
    assert len(draws.unique()) == draws.numel()
    torch.manual_seed(1)  # what torch's own numbers are in this process plays no part
    assert torch.equal(two_epochs(make_loaders), draws)


def test_copies_of_one_generator_draw_the_same():
    draws = two_epochs(hands_out_copies)
    assert torch.equal(draws[:, 0::2], draws[:, 1::2])  # the workers take turns
    assert torch.equal(draws[0], draws[1])
