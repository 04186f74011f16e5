"""Chapter 6's save_checkpoint: a writer that is killed half-way costs the new file, never the old one."""

import signal
import subprocess
import sys

import pytest
import torch
from torch import nn

from convcraft.author.prove import namespace
from convcraft.author.source import chapters
from convcraft.commands import ROOT

resource = pytest.importorskip("resource")  # limits on files are Unix's

# The kernel kills the process (SIGXFSZ) at the byte that would make a file larger than the limit.
_WRITER = """
import resource, signal, sys
import torch
from test_checkpoint import answers, training

writer, path, limit = sys.argv[1:]
net, optimizer = training(seed=2)
if writer == "save_checkpoint":
    write = answers()["save_checkpoint"]
else:
    def write(path, net, optimizer, epoch):
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
write(path, net, optimizer, 2)
"""


def answers():
    """The chapter's solutions by name."""
    chapter, = chapters(ROOT, ("06_module",))
    return namespace(chapter.notebook(), chapter.name)


def training(seed):
    """A net of some hundred kilobytes and its optimizer, after one step."""
    torch.manual_seed(seed)
    net = nn.Linear(200, 200)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(4, 200)).square().mean().backward()
    optimizer.step()
    return net, optimizer


def kill_half_way(writer, path):
    """Let another process write epoch 2 to `path` and die when half of it is written."""
    done = subprocess.run([sys.executable, "-c", _WRITER, writer, str(path), str(path.stat().st_size // 2)],
                          cwd=ROOT / "tests", capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGXFSZ, done.stderr


@pytest.fixture
def checkpoint(tmp_path):
    """A good checkpoint of epoch 1, the net it was made of, and the chapter's two functions."""
    save, load = (answers()[name] for name in ("save_checkpoint", "load_checkpoint"))
    net, optimizer = training(seed=1)
    path = tmp_path / "last.pt"
    save(path, net, optimizer, 1)
    return path, net, save, load


def test_a_writer_killed_half_way_leaves_the_old_checkpoint(checkpoint):
    path, net, save, load = checkpoint
    kill_half_way("save_checkpoint", path)
    other, optimizer = training(seed=3)
    assert load(path, other, optimizer) == 1
    assert torch.equal(other.weight, net.weight)
    # What the dead writer left behind is gone after the next one.
    save(path, other, optimizer, 2)
    assert [file.name for file in path.parent.iterdir()] == ["last.pt"]
    assert load(path, other) == 2


def test_a_writer_killed_half_way_in_place_leaves_nothing(checkpoint):
    path, _, _, load = checkpoint
    kill_half_way("torch.save", path)
    with pytest.raises((RuntimeError, OSError)):
        load(path, training(seed=3)[0])
