"""How `save_checkpoint` is examined."""

import io
import os
import pickle
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import torch

from convcraft.exam import aspect, error_of, exercise

from .shared import _batches, _equal, _files, _small_net, _state, _train


def _content(net, optimizer, epoch):
    return {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch}


def _write(content, temporary):
    """Write and wait until the disk has it."""
    with open(temporary, "wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())


def plain_save(path, net, optimizer, epoch, write=_write):
    """Everything that training needs to go on, whole or not at all."""
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        write(_content(net, optimizer, epoch), temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _loaded(file):
    """What the file holds; where it is refused for an object of a class, the error says which object."""
    try:
        return torch.load(file, weights_only=True)
    except pickle.UnpicklingError:
        whole = torch.load(file, weights_only=False)  # it was written a moment ago by the answer that is examined
        if not isinstance(whole, dict):
            raise
        refused = [f"the {type(value).__name__} under {key!r}" for key, value in whole.items()
                   if not isinstance(value, (dict, list, tuple, str, int, float, torch.Tensor))]
        if not refused:
            raise
        raise pickle.UnpicklingError(f"torch.load(path, weights_only=True) refuses {', '.join(refused)}") from None


def _epoch_in(file):
    """The epoch that a checkpoint holds, or that there is none to be read."""
    try:
        checkpoint = torch.load(file, weights_only=True)
    except FileNotFoundError:
        return "the file is gone"
    except Exception:
        return "the file cannot be read"
    return checkpoint["epoch"] if "epoch" in _keys(checkpoint) else f"a {type(checkpoint).__name__} without an epoch"


def _found(path):
    """The one file in the folder of `path`, where there is none of that name: that it has it, one aspect looks at."""
    files = [each for each in path.parent.iterdir() if each.name not in _NEIGHBOURS]
    return files[0] if len(files) == 1 and not path.exists() else path


def _named(path):
    """The files beside `path`, `path` itself under the name that was asked for."""
    return {"last.pt" if name == path.name else name: True for name in _files(path.parent)}


def _keys(checkpoint):
    return {str(key): True for key in checkpoint} if isinstance(checkpoint, dict) else {}


class _Unwritable(int):
    """A number at which writing stops, as on a full disk."""

    stops = OSError("no space left on device")

    def __reduce_ex__(self, protocol):
        raise self.stops


@contextmanager
def _waited():
    """Notes how many bytes of each file the disk has been waited for, by the file's number in the file system."""
    waited = {}
    usual = {name: getattr(os, name) for name in ("fsync", "fdatasync") if hasattr(os, name)}

    def noticed(name):
        def wait(file):
            usual[name](file)
            found = os.fstat(file if isinstance(file, int) else file.fileno())
            waited[found.st_ino] = found.st_size
        return wait

    for name in usual:
        setattr(os, name, noticed(name))
    try:
        yield waited
    finally:
        for name, function in usual.items():
            setattr(os, name, function)


# What lies in the folder of a checkpoint `last.pt`, of another training or of the reader's own.
_NEIGHBOURS = ("best.pt", "best.pt.tmp", "last.tmp", "last", "tmp", "tmp.pt", "temp", "temp.pt", ".tmp",
               "checkpoint.tmp", "last.temp", "last.part", "last.new", "last.bak", "last_tmp", "tmp_last", "notes.txt")


@contextmanager
def _witness(path):
    """Notes what stands under a path whenever a file is about to be written or renamed, and where new ones come from.

    It sees what goes through `torch.save`, `os.replace` and `os.rename`, as `Path.replace` and `shutil.move` do.
    """
    seen, inside = [], []
    usual = {(torch, "save"): torch.save, (os, "replace"): os.replace, (os, "rename"): os.rename}

    def saving(*args, **kwargs):
        seen.append(_epoch_in(path))
        usual[torch, "save"](*args, **kwargs)
        seen.append(_epoch_in(path))

    def renaming(name):
        def rename(source, target, *args, **kwargs):
            seen.append(_epoch_in(path))
            if os.path.abspath(target) == os.path.abspath(path):
                inside.append(path.parent.resolve() in Path(source).resolve().parents)
            return usual[os, name](source, target, *args, **kwargs)
        return rename

    torch.save, os.replace, os.rename = saving, renaming("replace"), renaming("rename")
    try:
        yield seen, inside
    finally:
        for (module, name), function in usual.items():
            setattr(module, name, function)


@exercise(points=13, reference=plain_save)
def save_checkpoint(impl, draw):
    def contents():
        net, optimizer = _small_net(draw)
        _train(net, optimizer, _batches(draw, 2))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 7)
            checkpoint = _loaded(_found(path))
        keys = _keys(checkpoint)
        return {"the file holds a dictionary": isinstance(checkpoint, dict), "keys": keys,
                "net": dict(checkpoint["net"]) if "net" in keys else {},
                "epoch": checkpoint["epoch"] if "epoch" in keys else None}

    def goes_on():
        net, optimizer = _small_net(draw)
        first, second = _batches(draw, 3), _batches(draw, 3)
        _train(net, optimizer, first)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 3)
            _train(net, optimizer, second)
            checkpoint = _loaded(_found(path))
        seen = {"the file holds a dictionary": isinstance(checkpoint, dict)}
        for key in ("net", "optimizer"):
            part = checkpoint[key] if key in _keys(checkpoint) else None
            seen[f"a state dict under {key!r}"] = "no" if part is None else "yes" if isinstance(part, dict) else str(
                type(part).__name__)
        if set(seen.values()) != {True, "yes"}:
            return seen | {"bit for bit": False, "the net at the end": {}}
        again, its_optimizer = _small_net(draw)
        again.load_state_dict(checkpoint["net"])
        its_optimizer.load_state_dict(checkpoint["optimizer"])
        _train(again, its_optimizer, second)
        return seen | {"bit for bit": _equal(again, _state(net)), "the net at the end": _state(again)}

    def names():
        net, optimizer = _small_net(draw)
        with tempfile.TemporaryDirectory() as folder:
            impl(f"{folder}/as text.ckpt", net, optimizer, 1)
            impl(Path(folder, "as a path"), net, optimizer, 1)
            found = {name: _epoch_in(Path(folder, name)) for name in _files(folder)}
            return {name: epoch if isinstance(epoch, str) else "a checkpoint" for name, epoch in found.items()}

    def in_place():
        net, optimizer = _small_net(draw)
        usual = tempfile.tempdir
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as elsewhere:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 1)
            lies = _found(path)
            first = _epoch_in(lies)

            def named(epoch):
                return {first: "the old", first + 1: "the new"}.get(epoch, epoch) if isinstance(first, int) else epoch

            try:
                tempfile.tempdir = elsewhere
                os.utime(elsewhere, (0, 0))
                os.utime(folder, (0, 0))
                with open(lies, "rb") as opened_before, _witness(lies) as (seen, inside):
                    impl(path, net, optimizer, 2)
                    old = _epoch_in(io.BytesIO(opened_before.read()))
                beside, touched = (os.stat(each).st_mtime != 0 for each in (folder, elsewhere))
            finally:
                tempfile.tempdir = usual
            return {"who had the old file open still reads": named(old), "the file now is": named(_epoch_in(lies)),
                    "until the move the name stood for": " then ".join(sorted({named(epoch) for epoch in seen})),
                    "files": _named(lies), "it was written beside the old one": beside,
                    "the file came from inside the folder": all(inside),
                    "the system's temporary folder was used": touched}

    def interrupted():
        net, optimizer = _small_net(draw)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 1)
            lies = _found(path)
            first = lies.read_bytes()
            optimizer.param_groups[0]["schedule"] = lambda step: step  # no file can hold a function of this kind
            raised = error_of(lambda: impl(path, net, optimizer, _Unwritable(2)), Exception) != "no error"
            return {"the error comes through": raised, "files": _named(lies),
                    "the file is as it was": lies.is_file() and lies.read_bytes() == first}

    def stopped():
        net, optimizer = _small_net(draw)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 1)
            lies = _found(path)
            first, came_through = lies.read_bytes(), False
            optimizer.param_groups[0]["schedule"], epoch = _Unwritable(1), _Unwritable(2)
            optimizer.param_groups[0]["schedule"].stops = epoch.stops = KeyboardInterrupt()
            try:
                impl(path, net, optimizer, epoch)
            except KeyboardInterrupt:
                came_through = True
            return {"the interrupt comes through": came_through, "files": _named(lies),
                    "the file is as it was": lies.is_file() and lies.read_bytes() == first}

    def beside():
        net, optimizer = _small_net(draw)
        with tempfile.TemporaryDirectory() as folder:
            for name in _NEIGHBOURS:
                Path(folder, name).write_text(f"This is {name}.")
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 1)
            path = _found(path)
            lost = [name for name in _NEIGHBOURS
                    if not Path(folder, name).is_file() or Path(folder, name).read_text() != f"This is {name}."]
            how_many = "none" if not lost else "one" if len(lost) == 1 else "several"
            return {"files lost or changed": how_many, "there is a checkpoint": path.is_file(),
                    "files that were not there": ", ".join(sorted({*_files(folder)} - {*_NEIGHBOURS, path.name}))}

    def on_the_disk():
        net, optimizer = _small_net(draw)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            usual, moved = {name: getattr(os, name) for name in ("replace", "rename")}, []

            def noticed(name):
                def move(source, target, *args, **kwargs):
                    found = os.stat(source)
                    moved.append("the disk had not been waited for" if found.st_ino not in waited else
                                 "all its bytes were on the disk" if waited[found.st_ino] == found.st_size else
                                 "a part of its bytes was not on the disk")
                    usual[name](source, target, *args, **kwargs)
                return move

            with _waited() as waited:
                try:
                    os.replace, os.rename = noticed("replace"), noticed("rename")
                    impl(path, net, optimizer, 1)
                finally:
                    os.replace, os.rename = usual["replace"], usual["rename"]
            found = _found(path)
            which = ("none" if not waited else
                     "the checkpoint's" if found.is_file() and found.stat().st_ino in waited else "another")
            return {"the file that was waited for": which if moved else "nothing was moved",
                    "there is a checkpoint": found.is_file(),
                    "when it was moved": ", ".join(moved) or "nothing was moved"}

    def left_alone():
        net, optimizer = _small_net(draw)
        _train(net, optimizer, _batches(draw, 1))
        net[1].eval()
        before = _state(net)
        parameters = list(net.parameters())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "last.pt"
            impl(path, net, optimizer, 5)
            written = isinstance(_epoch_in(_found(path)), int)
        return {"there is a checkpoint": written, "modes": [module.training for module in net.modules()],
                "numbers": _equal(net, before),
                "gradients": [parameter.grad is not None and parameter.requires_grad for parameter in parameters]}

    yield aspect("contents",
                 "The file holds a dictionary with the keys `net`, `optimizer` and `epoch`: two state dicts, buffers "
                 "included, and the number; `torch.load(path, weights_only=True)` opens it.",
                 contents)
    yield aspect("goes on",
                 "Where training draws no random numbers, it goes on from the file bit for bit as if it had never "
                 "stopped, with Adam, too.",
                 goes_on)
    yield aspect("names",
                 "`path` is a string or a `Path`, and the file has exactly that name.",
                 names)
    yield aspect("moved into place",
                 "Write to a temporary file in the same folder, then move it into place with `os.replace`; nothing "
                 "else stays in the folder.",
                 in_place)
    yield aspect("interrupted",
                 "If writing fails half-way, the error comes through, the old file is as it was, and no half-written "
                 "file is left beside it.",
                 interrupted)
    yield aspect("Ctrl-C",
                 "The same holds where the writing is stopped by Ctrl-C, which raises KeyboardInterrupt.",
                 stopped)
    yield aspect("on the disk",
                 "Before the move the temporary file is flushed, and `os.fsync` has waited until all its bytes are on "
                 "the disk.",
                 on_the_disk)
    yield aspect("files beside it",
                 "Other files in the folder stay as they are: give the temporary file the checkpoint's whole name with "
                 "something added.",
                 beside)
    yield aspect("left alone",
                 "Net and optimizer are left as they were: numbers, gradients, modes.",
                 left_alone)


@save_checkpoint.misconception("The temporary file is moved into place also when writing it has failed: half of a new "
                               "checkpoint replaces a whole old one. Move it only after it has been written.",
                               literal=True)
def moves_it_in_any_case(path, net, optimizer, epoch):
    temporary = f"{path}.tmp"
    try:
        _write(_content(net, optimizer, epoch), temporary)
    finally:
        os.replace(temporary, path)


@save_checkpoint.misconception("The file is written where the old one lies. From the first byte on the old checkpoint "
                               "is gone, and until the last byte the new one is not there: a crash in between costs "
                               "both.")
def writes_in_place(path, net, optimizer, epoch):
    torch.save(_content(net, optimizer, epoch), path)


@save_checkpoint.misconception("The new bytes go straight into the old file, and waiting for them does not bring it "
                               "back: until the last one is there, no checkpoint is whole. Write beside it, then move.")
def waits_in_place(path, net, optimizer, epoch):
    _write(_content(net, optimizer, epoch), path)


@save_checkpoint.misconception("Only an `Exception` is cleaned up after. Ctrl-C raises KeyboardInterrupt, which is "
                               "none, and leaves half a file: a `finally` meets both.", literal=True)
def cleans_up_after_exceptions(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _write(_content(net, optimizer, epoch), temporary)
    except Exception:
        temporary.unlink()
        raise
    os.replace(temporary, path)


@save_checkpoint.misconception("Nobody waited for the disk. After a power cut the new name may stand over bytes that "
                               "were still in memory: flush the file, then call `os.fsync` on it before it is moved.",
                               literal=True)
def does_not_wait(path, net, optimizer, epoch):
    plain_save(path, net, optimizer, epoch, write=torch.save)


@save_checkpoint.misconception("`os.fsync` was called before all bytes had left Python's own buffer. Call "
                               "`file.flush()` first, or write all before: it waits for what the system has been "
                               "given.", literal=True)
def waits_without_a_flush(path, net, optimizer, epoch):
    def write(content, temporary):
        data = io.BytesIO()
        torch.save(content, data)
        with open(temporary, "wb", buffering=1 << 24) as file:
            file.write(data.getvalue())
            os.fsync(file.fileno())

    plain_save(path, net, optimizer, epoch, write)


@save_checkpoint.misconception("The waiting comes after the move. Between the two the power can fail, with the new "
                               "name over bytes that are not on the disk: `os.fsync` first, then the move.",
                               literal=True)
def waits_after_the_move(path, net, optimizer, epoch):
    plain_save(path, net, optimizer, epoch, write=torch.save)
    with open(path, "rb") as file:
        os.fsync(file.fileno())


@save_checkpoint.misconception("The temporary file has a name that another file of the folder may have, `tmp.pt` or "
                               "`last.tmp`: that one was overwritten. Add to the checkpoint's whole name.",
                               literal=True)
def takes_another_suffix(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_suffix(".tmp")
    try:
        _write(_content(net, optimizer, epoch), temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("All files that end in `.tmp` were removed, those of others among them. Remove the one "
                               "file that you have written.", literal=True)
def sweeps_the_folder(path, net, optimizer, epoch):
    try:
        plain_save(path, net, optimizer, epoch)
    finally:
        for file in Path(path).parent.glob("*.tmp"):
            file.unlink()


@save_checkpoint.misconception("Another epoch was saved than the one that was given, one more or one less. Save the "
                               "number as it is; what comes next is the training loop's business.", literal=True)
def saves_the_next_epoch(path, net, optimizer, epoch):
    plain_save(path, net, optimizer, epoch + 1)


@save_checkpoint.misconception("The old file is deleted before the new one is there. If the program dies in between, "
                               "there is none: `os.replace` puts the new in the old one's place in one step.")
def deletes_first(path, net, optimizer, epoch):
    path = Path(path)
    path.unlink(missing_ok=True)
    plain_save(path, net, optimizer, epoch)


@save_checkpoint.misconception("The old file is deleted just before the new one is renamed. A crash in between leaves "
                               "no file under the name: `os.replace` writes over the old name in one step.")
def deletes_before_the_move(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _write(_content(net, optimizer, epoch), temporary)
        path.unlink(missing_ok=True)
        os.rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("The old file was renamed first, and the new one written under the name. Until it is "
                               "whole, nobody finds a checkpoint there: rename the new file, not the old one.")
def renames_the_old_file(path, net, optimizer, epoch):
    path = Path(path)
    old = path.with_name(path.name + ".old")
    if path.exists():
        os.replace(path, old)
    try:
        torch.save(_content(net, optimizer, epoch), path)
    except Exception:
        path.unlink(missing_ok=True)
        if old.exists():
            os.replace(old, path)
        raise
    old.unlink(missing_ok=True)


@save_checkpoint.misconception("The optimizer's state is not in the file. Adam remembers two averages for every "
                               "number; without them a resumed training stumbles.")
def loses_the_optimizer(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _write({"net": net.state_dict(), "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("Of the optimizer only its settings were kept (`param_groups`), not what it remembers "
                               "of each parameter. `optimizer.state_dict()` has both.")
def keeps_the_settings(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    kept = optimizer.state_dict() | {"state": {}}
    try:
        _write({"net": net.state_dict(), "optimizer": kept, "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("Of the optimizer only what it remembers was kept (`state`), not its settings, the "
                               "`param_groups`. Without them no optimizer takes it back: save all of "
                               "`optimizer.state_dict()`.")
def keeps_the_averages(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    kept = optimizer.state_dict()["state"]
    try:
        _write({"net": net.state_dict(), "optimizer": kept, "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("`named_parameters()` was saved, so the buffers are missing: BatchNorm's running mean "
                               "and variance. `state_dict()` holds them as well.")
def forgets_the_buffers(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    numbers = {name: parameter.detach() for name, parameter in net.named_parameters()}
    try:
        _write({"net": numbers, "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("The net itself was saved, not its state dict. That is a pickle of your class: it can "
                               "run code when it is opened, breaks when the class moves, and `weights_only=True` "
                               "refuses it.")
def pickles_the_net(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _write({"net": net, "optimizer": optimizer.state_dict(), "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("Only the net's state dict is in the file, as in the notes. Fine for using a net, too "
                               "little for training on: where was the optimizer, in which epoch were you?")
def saves_the_net_alone(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _write(net.state_dict(), temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("The temporary file was copied into place, not moved. A copy writes into the old file "
                               "byte by byte, and can be cut off half-way just like any other writing.", literal=True)
def copies_into_place(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _write(_content(net, optimizer, epoch), temporary)
        shutil.copyfile(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("When writing fails, the half-written temporary file stays behind, and with every "
                               "failure one more. Remove it in a `finally`, or before the error goes on.", literal=True)
def leaves_the_temporary_file(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    _write(_content(net, optimizer, epoch), temporary)
    os.replace(temporary, path)


@save_checkpoint.misconception("The temporary file lies in the system's temporary folder. That is often another disk, "
                               "and from disk to disk nothing can be moved in one step: use the checkpoint's own "
                               "folder.", literal=True)
def uses_the_systems_folder(path, net, optimizer, epoch):
    file, temporary = tempfile.mkstemp()
    os.close(file)
    try:
        _write(_content(net, optimizer, epoch), temporary)
        shutil.move(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


@save_checkpoint.misconception("The error was caught and swallowed. The old file is safe, but the caller believes that "
                               "the new epoch is saved: let the error go on after cleaning up.", literal=True)
def swallows_the_error(path, net, optimizer, epoch):
    try:
        plain_save(path, net, optimizer, epoch)
    except Exception as error:
        print(error)


@save_checkpoint.misconception("An ending was added to the file's name. Whoever loads it asks for the name that was "
                               "given.", literal=True)
def adds_an_ending(path, net, optimizer, epoch):
    plain_save(f"{path}.pt", net, optimizer, epoch)


@save_checkpoint.misconception("The net was put into eval mode to save it, and left there: from the next epoch on "
                               "BatchNorm and Dropout no longer train. Saving needs no mode.", literal=True)
def leaves_eval_mode_on(path, net, optimizer, epoch):
    net.eval()
    plain_save(path, net, optimizer, epoch)


@save_checkpoint.misconception("The gradients were thrown away while saving. Saving only reads: a loop that saves "
                               "between backward and step would lose its step.")
def throws_gradients_away(path, net, optimizer, epoch):
    optimizer.zero_grad()
    plain_save(path, net, optimizer, epoch)


@save_checkpoint.misconception("After the move the temporary name no longer exists, and `unlink` raises an error "
                               "although all went well. `unlink(missing_ok=True)` does not mind.")
def unlinks_what_has_moved(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _write(_content(net, optimizer, epoch), temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink()


@save_checkpoint.misconception("`os.fsync` comes behind the `with`, where the file is closed already and has no number "
                               "any more. Flush and wait inside the `with`, move behind it.")
def waits_for_a_closed_file(path, net, optimizer, epoch):
    def write(content, temporary):
        with open(temporary, "wb") as file:
            torch.save(content, file)
            file.flush()
        os.fsync(file.fileno())

    plain_save(path, net, optimizer, epoch, write)


@save_checkpoint.misconception("Whatever stops the writing is swallowed, Ctrl-C, too: an `except` without `raise`, or "
                               "a `return` in `finally`. The caller believes that all is saved: let the error go on.",
                               literal=True)
def swallows_whatever_comes(path, net, optimizer, epoch):
    try:
        plain_save(path, net, optimizer, epoch)
    except BaseException as error:
        print(error)


@save_checkpoint.misconception("The optimizer itself was saved, not its state dict. `weights_only=True` refuses such "
                               "an object, for opening it may run code: save `optimizer.state_dict()`.")
def pickles_the_optimizer(path, net, optimizer, epoch):
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        _write({"net": net.state_dict(), "optimizer": optimizer, "epoch": epoch}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@save_checkpoint.misconception("All of the net is in train mode after saving. A part of it may have been in eval mode "
                               "on purpose: saving needs no mode, so leave the modes alone.", literal=True)
def leaves_train_mode_on(path, net, optimizer, epoch):
    net.eval()
    plain_save(path, net, optimizer, epoch)
    net.train()


@save_checkpoint.alternative
def by_a_buffer(path, net, optimizer, epoch):
    buffer = io.BytesIO()
    torch.save(dict(net=net.state_dict(), optimizer=optimizer.state_dict(), epoch=epoch), buffer)
    temporary = f"{path}.{os.getpid()}.part"
    try:
        with open(temporary, "wb") as file:
            file.write(buffer.getvalue())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.remove(temporary)
        raise


@save_checkpoint.alternative
def by_a_named_temporary_file(path, net, optimizer, epoch):
    folder = os.path.dirname(os.path.abspath(path))
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".tmp", delete=False) as file:
        try:
            torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict(), "epoch": int(epoch)}, file)
            file.flush()
            os.fsync(file.fileno())
            os.rename(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


@save_checkpoint.alternative
def by_path_replace(path, net, optimizer, epoch):
    path = Path(path)
    new = path.parent / f".{path.name}.new"
    state = {"epoch": epoch}
    state["net"] = {name: tensor.detach().clone() for name, tensor in net.state_dict().items()}
    state["optimizer"] = optimizer.state_dict()
    try:
        torch.save(state, str(new))
        with new.open("rb+") as file:
            os.fsync(file)
    except BaseException:
        new.unlink()
        raise
    new.replace(path)


save_checkpoint.equivalent("file.flush() -> pass", "`torch.save` flushes the file that it was given.")
