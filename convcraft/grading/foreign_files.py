"""Somebody else's folder, read by a process that may read no more than he could.

Nothing but regular files that are his own, opened without following a link at any level. The process becomes him where
it is root, and is held to that one folder by the kernel (Landlock) where it can be.
"""

import ctypes
import os
import select
import stat
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from convcraft.grading.notebook.submitted import MAX_BYTES, shown
from convcraft.language import N_, _

LINK = N_("{name} is a link; only a file itself is collected; left out.")
NO_FILE = N_("{name} is neither a file nor a folder; left out.")
ANOTHERS = N_("{name} belongs to somebody else; left out.")
UNREADABLE = N_("{name} cannot be read ({reason}); left out.")
ODD_NAME = N_("{name}: no file may be called so; left out.")
TOO_LARGE = N_("{name} has more than {limit} MB; left out.")
TOO_MUCH = N_("{name}: no more than {limit} MB are collected of one submission; left out.")
TOO_DEEP = N_("{name} lies too deep; left out.")
TOO_MANY = N_("{name} has more than {limit} entries; the rest was not looked at.")
BROKEN_OFF = N_("{name} could not be read to its end; left out.")
_MAX_NAMED = 20
_OPEN = sum(getattr(os, name, 0) for name in ("O_RDONLY", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY"))
_FILE, _SENTENCE, _END = b"F", b"S", b"E"
_HEAD = struct.Struct("<cIQ")


@dataclass(frozen=True)
class Bounds:
    """How much of one submission is taken: bytes of a file and in sum, entries, folders in folders, seconds."""

    file: int = MAX_BYTES
    total: int = 100_000_000
    entries: int = 1_000
    depth: int = 3
    seconds: float = 60.0


@dataclass
class Taken:
    """What a folder held.

    Attributes:
        files: name, with `/` between folders → content.
        left_out: a sentence for each thing that was left out.
        whole: whether the folder could be read at all.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    whole: bool = False


def take(folder: Path, owner: int, *, first: tuple[str, ...] = (), ignored: Callable[[str], bool] = lambda name: False,
         bounds: Bounds | None = None) -> Taken:
    """Read what `owner` has put into `folder`; never raises for anything that is in it.

    Args:
        owner: the user's number. What belongs to anybody else is left out.
        first: names that are looked at before all others.
        ignored: whether a file or folder of that name is passed over in silence.
    """
    bounds = bounds or Bounds()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _send(folder, owner, first, ignored, bounds, writing)
    os.close(writing)
    result = Taken()
    try:
        _receive(reading, bounds, result)
    finally:
        os.close(reading)
        os.kill(child, 9)
        os.waitpid(child, 0)
    if not result.whole:
        result.left_out.append(_(BROKEN_OFF).format(name=shown(folder.name)))
    if len(result.left_out) > _MAX_NAMED:
        more = len(result.left_out) - _MAX_NAMED
        result.left_out[_MAX_NAMED:] = [_("{more} more were left out.").format(more=more)]
    return result


def _receive(reading: int, bounds: Bounds, result: Taken) -> None:
    """Take over what the other process sends, no more and no longer than the bounds."""
    until, total = time.monotonic() + bounds.seconds, 0

    def exactly(count: int) -> bytes:
        parts: list[bytes] = []
        while count:
            ready, _, _ = select.select([reading], [], [], max(until - time.monotonic(), 0))
            part = os.read(reading, min(count, 1 << 20)) if ready else b""
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    try:
        while True:
            kind, name_size, size = _HEAD.unpack(exactly(_HEAD.size))
            total += name_size + size
            if kind == _END or total > 2 * bounds.total:
                result.whole = kind == _END
                return
            name, content = exactly(name_size).decode("utf-8", "replace"), exactly(size)
            if kind == _FILE:
                result.files[name] = content
            else:
                result.left_out.append(name)
    except EOFError:
        return


def _send(folder: Path, owner: int, first: tuple[str, ...], ignored: Callable[[str], bool], bounds: Bounds,
          writing: int) -> None:
    """The other process: read the folder, and send what it holds. Never returns."""
    try:
        reader, name = _Reader(owner, ignored, bounds, writing), shown(folder.name)
        try:
            top = os.open(folder, _OPEN | os.O_DIRECTORY)
            if os.fstat(top).st_uid != owner:
                reader.say(_(ANOTHERS).format(name=name))
            else:
                _confine(top, owner)
                reader.folder(top, "", 0, first)
        except OSError as error:
            reader.say(_(UNREADABLE).format(name=name, reason=error.strerror))
        os.write(writing, _HEAD.pack(_END, 0, 0))
    finally:
        os._exit(0)


class _Reader:
    """Walks a folder by descriptors, and sends what it finds."""

    def __init__(self, owner: int, ignored: Callable[[str], bool], bounds: Bounds, writing: int):
        self._owner, self._ignored, self._bounds, self._writing = owner, ignored, bounds, writing
        self._left, self._entries = bounds.total, bounds.entries

    def folder(self, descriptor: int, prefix: str, depth: int, first: tuple[str, ...] = ()) -> None:
        for name in self._names(descriptor, prefix, first):
            relative = prefix + name
            if self._ignored(name):
                continue
            if not name.isprintable():
                self.say(_(ODD_NAME).format(name=shown(relative)))
                continue
            try:
                self._entry(descriptor, name, relative, depth)
            except OSError as error:
                self.say(_(UNREADABLE).format(name=shown(relative), reason=error.strerror))

    def say(self, sentence: str) -> None:
        self._put(_SENTENCE, sentence, b"")

    def _names(self, descriptor: int, prefix: str, first: tuple[str, ...]) -> Iterator[str]:
        for name in first:
            try:
                os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except OSError:
                continue
            yield name
        with os.scandir(descriptor) as entries:
            for entry in entries:
                if entry.name in first:
                    continue
                if not self._entries:
                    self.say(_(TOO_MANY).format(name=shown(prefix or _("The folder")), limit=self._bounds.entries))
                    return
                self._entries -= 1
                yield entry.name

    def _entry(self, folder: int, name: str, relative: str, depth: int) -> None:
        looked = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(looked.st_mode):
            return self.say(_(LINK).format(name=shown(relative)))
        if not stat.S_ISREG(looked.st_mode) and not stat.S_ISDIR(looked.st_mode):
            return self.say(_(NO_FILE).format(name=shown(relative)))  # not even opened: a device may do anything then
        descriptor = os.open(name, _OPEN, dir_fd=folder)
        try:
            facts = os.fstat(descriptor)  # of what was opened: the name may mean another file by now
            if facts.st_uid != self._owner:
                return self.say(_(ANOTHERS).format(name=shown(relative)))
            if stat.S_ISREG(facts.st_mode):
                return self._file(descriptor, relative, facts.st_size)
            if not stat.S_ISDIR(facts.st_mode):
                return self.say(_(NO_FILE).format(name=shown(relative)))
            if depth >= self._bounds.depth:
                return self.say(_(TOO_DEEP).format(name=shown(relative)))
            return self.folder(descriptor, f"{relative}/", depth + 1)
        finally:
            os.close(descriptor)

    def _file(self, descriptor: int, relative: str, size: int) -> None:
        content = b""
        if size <= self._bounds.file:
            with open(descriptor, "rb", closefd=False) as file:
                content = file.read(self._bounds.file + 1)  # it may grow meanwhile
        if max(size, len(content)) > self._bounds.file:
            return self.say(_(TOO_LARGE).format(name=shown(relative), limit=self._bounds.file // 2**20))
        if len(content) > self._left:
            return self.say(_(TOO_MUCH).format(name=shown(relative), limit=self._bounds.total // 10**6))
        self._left -= len(content)
        self._put(_FILE, relative, content)

    def _put(self, kind: bytes, text: str, content: bytes) -> None:
        name = text.encode("utf-8", "backslashreplace")
        data = memoryview(_HEAD.pack(kind, len(name), len(content)) + name + content)
        while data:
            data = data[os.write(self._writing, data):]


def _confine(folder: int, owner: int) -> None:
    """Give up what this process could read and `owner` could not."""
    if os.geteuid() == 0 and owner:
        import pwd

        try:
            group = pwd.getpwuid(owner).pw_gid
        except KeyError:  # no account of this machine's
            group = owner
        os.setgroups([])
        os.setresgid(group, group, group)
        os.setresuid(owner, owner, owner)
    _hold_to(folder)


_READ, _ALL = 0b1100, 0x1FFF  # Landlock's first version: reading files and folders, of all that it can forbid
_CREATE_RULESET, _ADD_RULE, _RESTRICT, _NO_NEW_PRIVILEGES = 444, 445, 446, 38


def _hold_to(folder: int) -> None:
    """Let this process open nothing but what is beneath `folder`, on kernels that can (Linux 5.13).

    Elsewhere what `_Reader` looks at stands alone.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handled = ctypes.create_string_buffer(struct.pack("<Q", _ALL), 8)
    rules = libc.syscall(_CREATE_RULESET, handled, ctypes.c_size_t(8), 0)
    if rules < 0:
        return
    beneath = ctypes.create_string_buffer(struct.pack("<Qi", _READ, folder), 12)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.syscall(_ADD_RULE, rules, 1, beneath, 0)
    libc.syscall(_RESTRICT, rules, 0)
    os.close(rules)
