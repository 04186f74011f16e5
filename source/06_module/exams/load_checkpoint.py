"""How `load_checkpoint` is examined."""

import os
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from convcraft.exam import aspect, error_of, exercise

from .shared import _batches, _equal, _files, _modes, _small_net, _state, _train


def plain_load(path, net, optimizer=None, device="cpu"):
    """Read what plain_save wrote."""
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


def _as_in(module, state):
    """Whether its parameters are those: buffers, forgotten more often, are looked at in few aspects."""
    return all(torch.equal(tensor, state[name]) for name, tensor in module.named_parameters())


class _Code:
    """An object whose pickle makes a folder when it is opened."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


def _as_from_a_gpu(path):
    """Rewrite a checkpoint so that its tensors claim to come from the device cuda:0."""
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            if name.endswith("data.pkl"):
                data = data.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
            archive.writestr(name, data)


@contextmanager
def _reading():
    """Notes on which devices the tensors lie that `torch.load` returns, call by call."""
    devices, usual = [], torch.load

    def load(*args, **kwargs):
        content = usual(*args, **kwargs)
        devices.append(" ".join(sorted({tensor.device.type for tensor in _tensors(content)})))
        return content

    torch.load = torch.serialization.load = load
    try:
        yield devices
    finally:
        torch.load = torch.serialization.load = usual


def _tensors(content):
    if isinstance(content, dict):
        content = content.values()
    elif isinstance(content, torch.Tensor):
        return [content]
    elif not isinstance(content, (list, tuple)):
        return []
    return [tensor for part in content for tensor in _tensors(part)]


@exercise(points=11, reference=plain_load)
def load_checkpoint(impl, draw):
    def saved(folder, steps=2, epoch=4):
        net, optimizer = _small_net(draw)
        _train(net, optimizer, _batches(draw, steps))
        path = Path(folder) / "last.pt"
        torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}, path)
        return path, net, optimizer

    def loaded():
        with tempfile.TemporaryDirectory() as folder:
            path, _, _ = saved(folder)
            net, optimizer = _small_net(draw)
            epoch = impl(path, net, optimizer)
            later = impl(saved(folder, epoch=37)[0], *_small_net(draw))
        return {"epoch": epoch, "a later epoch": later, "net": _state(net)}

    def goes_on():
        with tempfile.TemporaryDirectory() as folder:
            path, net, optimizer = saved(folder, 3)
            rest = _batches(draw, 3)
            _train(net, optimizer, rest)
            again, its_optimizer = _small_net(draw)
            its_optimizer.param_groups[0]["lr"] = 0.5
            impl(path, again, its_optimizer)
        _train(again, its_optimizer, rest)
        return {"bit for bit": _equal(again, _state(net)), "the net at the end": _state(again)}

    def without_optimizer():
        with tempfile.TemporaryDirectory() as folder:
            path, _, _ = saved(folder)
            net, _ = _small_net(draw)
            net[1].eval()
            impl(str(path), net)
            return {"net": _state(net), "training": _modes(net), "files": _files(folder)}

    def code():
        with tempfile.TemporaryDirectory() as folder:
            path, other, optimizer = saved(folder)
            net, _ = _small_net(draw)
            before = _state(net)
            with_code = Path(folder) / "from the net.pt"
            ran = Path(folder) / "the code has run"
            content = {"net": other.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 4}
            content["note"] = _Code(str(ran))
            torch.save(content, with_code)
            refused = error_of(lambda: impl(with_code, net), Exception) != "no error"
            seen = {"refused": refused, "its code ran": ran.exists(), "nothing was loaded": _equal(net, before)}
            impl(path, net)
            return seen | {"an honest file is loaded": _as_in(net, other.state_dict())}

    def code_by_default():
        # What torch.load did before version 2.6 where it was not told: with this variable it does so still.
        usual = os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
        os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
        try:
            return code()
        finally:
            del os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"]
            if usual is not None:
                os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = usual

    def from_a_gpu():
        with tempfile.TemporaryDirectory() as folder:
            path, _, _ = saved(folder)
            _as_from_a_gpu(path)
            net, optimizer = _small_net(draw)
            with _reading() as devices:
                impl(path, net, optimizer, device="cpu")
                # On the device "meta" tensors have no numbers: what is read to it may end in an error later.
                error_of(lambda: impl(path, _small_net(draw)[0], device="meta"))
        return {"net": _state(net), "read to the devices": " then ".join(devices)}

    def too_soon():
        with tempfile.TemporaryDirectory() as folder:
            path, net, optimizer = saved(folder)
            before = _state(net)
            raised = error_of(lambda: impl(Path(folder) / "never saved.pt", net, optimizer), FileNotFoundError)
            seen = {"no file": raised, "the net is as it was": _equal(net, before), "files": _files(folder)}
            again, its_optimizer = _small_net(draw)
            impl(path, again, its_optimizer)
            return seen | {"with a file it loads": _as_in(again, before)}

    def another_net():
        with tempfile.TemporaryDirectory() as folder:
            path, net, _ = saved(folder)
            longer = nn.Sequential(*net, nn.Linear(2, 2))
            shorter = nn.Sequential(*_small_net(draw)[0][:3])
            own, _ = _small_net(draw)
            impl(path, own)

            def attempt(other):
                returned = []
                raised = error_of(lambda: returned.append(impl(path, other)), RuntimeError)
                return f"{raised}, returned {returned[0]}" if returned else raised

            return {"names too few": attempt(longer), "names too many": attempt(shorter),
                    "its own are loaded": _as_in(own, net.state_dict())}

    yield aspect("loaded",
                 "The net's numbers, buffers included, become those of the file, and the epoch is returned, an int.",
                 loaded)
    yield aspect("goes on",
                 "With an optimizer, its state is loaded, too. Where training draws no random numbers, it goes on bit "
                 "for bit as if it had never stopped, with the learning rate of the file.",
                 goes_on)
    yield aspect("without optimizer",
                 "Without an optimizer the net alone is loaded; `path` is a string or a `Path`; modes and file stay as "
                 "they are.",
                 without_optimizer)
    yield aspect("a file with code",
                 "A file with code in it is refused with an error, before any of the code has run and before anything "
                 "is loaded.",
                 code)
    yield aspect("an older PyTorch",
                 "Say so yourself, `weights_only=True`: an older PyTorch, where nothing is said, runs the code.",
                 code_by_default)
    yield aspect("from a GPU",
                 "The file's tensors go to `device` while they are read: a checkpoint that was written on a GPU opens "
                 "on a machine that has none.",
                 from_a_gpu)
    yield aspect("before saving",
                 "Loading before anything was saved is a FileNotFoundError, and the net stays as it was.",
                 too_soon)
    yield aspect("another net",
                 "A checkpoint of another net, with names too many or too few, is a RuntimeError.",
                 another_net)


@load_checkpoint.misconception("Whether code may run was left to the default. It is the safe one today; before PyTorch "
                               "2.6 it was not, and you do not choose who runs your program. Write "
                               "`weights_only=True`.", literal=True)
def trusts_the_default(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The file was opened with `weights_only=False`. That is a pickle, and a pickle may run "
                               "any program on your computer before it returns a single number.")
def opens_any_pickle(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=False)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The optimizer's state was not loaded. Adam starts again with empty averages and "
                               "corrections for a first step: the next steps go elsewhere.")
def forgets_the_optimizer(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("Of the optimizer's state dict only `state` was taken, not its `param_groups`: the "
                               "learning rate and the other settings are still the new optimizer's own.")
def keeps_its_own_settings(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(optimizer.state_dict() | {"state": checkpoint["optimizer"]["state"]})
    return checkpoint["epoch"]


@load_checkpoint.misconception("The optimizer is always loaded, also when none was given. Whoever only wants to use "
                               "the net has no optimizer: ask whether it is None.")
def wants_an_optimizer(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("What does not fit is passed over, by `strict=False` or by a loop. A checkpoint of "
                               "another net then loads a part, or nothing, and the net computes nonsense without an "
                               "error.")
def is_not_strict(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"], strict=False)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("Without `map_location` every tensor goes back to where it was saved. A checkpoint from "
                               "a GPU then cannot be opened on a laptop: pass `device` on.")
def maps_no_location(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("Where there is no file, 0 was returned, as if there were nothing to load. A mistyped "
                               "path then starts the training anew, silently: let the FileNotFoundError through.",
                               literal=True)
def starts_anew_without_a_file(path, net, optimizer=None, device="cpu"):
    if not os.path.exists(path):
        return 0
    return plain_load(path, net, optimizer, device)


@load_checkpoint.misconception("The whole checkpoint was handed to the net. It is a dictionary of three: the net's own "
                               "state dict lies in it under `net`.")
def hands_over_the_whole_file(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The file's tensors are always read to the CPU. `device` is where they go while they "
                               "are read, as `torch.load`'s `map_location`; moving the net alone is another thing.",
                               literal=True)
def reads_to_the_cpu(path, net, optimizer=None, device="cpu"):
    return plain_load(path, net, optimizer, "cpu")


@load_checkpoint.misconception("Every error was caught, and 0 returned: a missing file, a file with code in it, "
                               "another net, all pass as a fresh start. Let errors through; the caller has to know.")
def catches_everything(path, net, optimizer=None, device="cpu"):
    try:
        return plain_load(path, net, optimizer, device)
    except Exception:
        return 0


@load_checkpoint.misconception("The net was put into train mode. Whoever loads in order to use it gets Dropout and "
                               "batch statistics: leave the modes to the caller.", literal=True)
def loads_for_training(path, net, optimizer=None, device="cpu"):
    epoch = plain_load(path, net, optimizer, device)
    net.train()
    return epoch


@load_checkpoint.misconception("The epoch was not returned. Whoever resumes has to know where to go on.", literal=True)
def returns_no_epoch(path, net, optimizer=None, device="cpu"):
    plain_load(path, net, optimizer, device)


@load_checkpoint.misconception("The whole checkpoint was returned. Its net and optimizer have been loaded already; the "
                               "epoch alone is asked for.")
def returns_everything(path, net, optimizer=None, device="cpu"):
    plain_load(path, net, optimizer, device)
    return torch.load(path, map_location=device, weights_only=True)


@load_checkpoint.misconception("One was added to the epoch. Return the number that is in the file; what it means to go "
                               "on from there is the training loop's business.", literal=True)
def returns_the_next_epoch(path, net, optimizer=None, device="cpu"):
    return plain_load(path, net, optimizer, device) + 1


@load_checkpoint.misconception("Only the parameters were copied. The buffers, BatchNorm's running mean and variance, "
                               "kept their first values: in eval mode the net gives other answers than the one that "
                               "was saved.")
def loads_parameters_alone(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    own = {name for name, _ in net.named_parameters()}
    if set(net.state_dict()) != set(checkpoint["net"]):
        raise RuntimeError("another net")
    net.load_state_dict({name: tensor for name, tensor in checkpoint["net"].items() if name in own}, strict=False)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The net got new parameters in place of its old ones (`assign=True` or the like). The "
                               "optimizer still holds the old ones: it steps, and the net does not move.")
def assigns_new_parameters(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"], assign=True)
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("The net was put into eval mode. Whoever loads in order to train on is not told: leave "
                               "the modes to the caller.")
def loads_for_evaluation(path, net, optimizer=None, device="cpu"):
    epoch = plain_load(path, net, optimizer, device)
    net.eval()
    return epoch


@load_checkpoint.misconception("Of the optimizer's state dict only the settings were taken (`param_groups`), not "
                               "`state`: Adam starts again with empty averages.")
def keeps_its_own_state(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(checkpoint["net"])
    if optimizer is not None:
        for group, saved in zip(optimizer.param_groups, checkpoint["optimizer"]["param_groups"], strict=True):
            group["lr"] = saved["lr"]
    return checkpoint["epoch"]


@load_checkpoint.misconception("`path` was taken for a `Path`. It may be a string, which has no `exists`: make a Path "
                               "of it, or let `torch.load` open it.", literal=True)
def asks_a_string_whether_it_exists(path, net, optimizer=None, device="cpu"):
    if not path.exists():
        raise FileNotFoundError(path)
    return plain_load(path, net, optimizer, device)


@load_checkpoint.misconception("A checkpoint with too few names is loaded all the same: what is missing keeps the "
                               "net's own numbers. Let `load_state_dict` compare the names that are in the file.")
def fills_up_what_is_missing(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, map_location=device, weights_only=True)
    net.load_state_dict(net.state_dict() | checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.misconception("Where there is no file, a ValueError was raised. Let the FileNotFoundError through: "
                               "callers wait for that one.", literal=True)
def raises_a_value_error(path, net, optimizer=None, device="cpu"):
    if not os.path.exists(path):
        raise ValueError(path)
    return plain_load(path, net, optimizer, device)


@load_checkpoint.alternative
def by_the_zip_file(path, net, optimizer=None, device="cpu"):
    with open(path, "rb") as file:
        data = torch.load(file, map_location=torch.device(device), weights_only=True)
    net.load_state_dict(data["net"], strict=True)
    if optimizer:
        optimizer.load_state_dict(data["optimizer"])
    return int(data["epoch"])


@load_checkpoint.alternative
def with_the_net_moved(path, net, optimizer=None, device="cpu"):
    checkpoint = torch.load(path, weights_only=True, map_location=device)
    net.to(device).load_state_dict(checkpoint["net"])
    if optimizer is not None:
        optimizer.load_state_dict(checkpoint["optimizer"])
    return checkpoint["epoch"]


@load_checkpoint.alternative
def by_map_function(path, net, optimizer=None, device="cpu"):
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: save a checkpoint first")
    def place(storage, saved_on):
        return torch.serialization.default_restore_location(storage, str(device))

    found = torch.load(str(path), place, weights_only=True)
    for part, name in ((net, "net"), (optimizer, "optimizer")):
        if part is not None:
            part.load_state_dict(found[name])
    return found["epoch"]


@load_checkpoint.alternative
def by_copying(path, net, optimizer=None, device="cpu"):
    found = torch.load(path, map_location={"cuda:0": device}, weights_only=True)
    own = net.state_dict()
    if own.keys() != found["net"].keys():
        raise RuntimeError(f"another net: {own.keys() ^ found['net'].keys()}")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(found["net"][name])
    if optimizer is not None:
        optimizer.load_state_dict(found["optimizer"])
    return found["epoch"]
