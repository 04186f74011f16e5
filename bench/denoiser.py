"""Trains the course's own denoiser by the chapter's reference solutions; writes convcraft/denoiser.safetensors.

    nice .venv/bin/python bench/denoiser.py

It takes three minutes on an idle core and gives the same numbers to rounding wherever it runs.
"""

import time

import torch
from safetensors.torch import save_file

from convcraft import data
from convcraft.author.prove import answers
from convcraft.author.source import chapters
from convcraft.place import COURSE, PACKAGE

BATCHES, PER_BATCH, SIZE, RATE, SEED = 8000, 4, 40, 4e-3, 0


def main() -> None:
    """Train, store as half-precision numbers."""
    torch.set_num_threads(1)
    chapter, = chapters(COURSE, ("09_clean",))
    answer = answers(chapter)[0]
    photographs = data.photos(*answer["TRAINING"], height=answer["HEIGHT"], grey=True)
    torch.manual_seed(SEED)
    net = answer["UNet"]().to(memory_format=torch.channels_last)
    began = time.perf_counter()
    losses = answer["train"](net, answer["Batches"](photographs.values(), BATCHES, PER_BATCH, SIZE, seed=SEED), RATE)
    seconds, last = time.perf_counter() - began, sum(losses[-200:]) / 200
    print(f"{BATCHES} batches in {seconds:.0f} s; loss of the last 200: {last:.6f}")
    weights = {name: tensor.half() if tensor.is_floating_point() else tensor
               for name, tensor in net.state_dict().items()}
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, PACKAGE / "denoiser.safetensors")


if __name__ == "__main__":
    main()
