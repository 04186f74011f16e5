"""Refuses system calls that no answer needs and no other limit holds.

They make memory that belongs to no process, look into other processes, mount, lock or watch files that all notebooks
share, or are newer than this list. A filter for the kernel (seccomp), in its own small language: load, compare, jump,
return.
"""

import ctypes
import errno
import platform
from collections.abc import Iterable

_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # the kernel's number for it, its column below
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # memory that belongs to no process
    "memfd_create": (319, 279), "shmget": (29, 194), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180),
    "sendfile": (40, 71), "splice": (275, 76), "tee": (276, 77), "vmsplice": (278, 75), "io_setup": (206, 0),
    "userfaultfd": (323, 282), "bpf": (321, 280), "perf_event_open": (298, 241), "add_key": (248, 217),
    "request_key": (249, 218), "keyctl": (250, 219), "modify_ldt": (154, None),
    # other processes' insides
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    # other walls
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41),
    "chroot": (161, 51), "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # what all notebooks share: files' locks and watchers, the disk, the kernel's log
    "flock": (73, 32), "inotify_init": (253, None), "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
    "fanotify_init": (300, 262), "sync": (162, 81), "syncfs": (306, 267), "syslog": (103, 116),
    "quotactl": (179, 60),
}
_NEW = 424  # from here on all machines have the same numbers
# clone3 is not among them: its flags are out of the filter's sight, and libraries then take clone
_NEW_ALLOWED = (436, 437, 439, 441, 449, 452)  # close_range, openat2, faccessat2, epoll_pwait2, futex_waitv, fchmodat2
_SOCKET, _SOCKETPAIR, _FCNTL, _PRCTL, _IOCTL = (41, 198), (53, 199), (72, 25), (157, 167), (16, 29)
_SETRLIMIT, _PRLIMIT, _CLONE = (160, 164), (302, 261), (56, 220)
_UNIX = 1  # the only family of sockets: whatever reaches another machine, or this one, is not needed
_REFUSED_ARGUMENTS: tuple[tuple[tuple[int, int], int, tuple[int, ...]], ...] = (  # call, which argument, its values
    (_FCNTL, 1, (5, 6, 7, 36, 37, 38, 1024, 1025, 1026, 1031)),  # locks, leases, watchers, the size of a pipe
    (_PRCTL, 0, (4, 35)),  # PR_SET_DUMPABLE would hide its memory, PR_SET_MM shows it elsewhere
    (_IOCTL, 1, (0x5412, 0x541C)),  # TIOCSTI, TIOCLINUX: typing on a terminal
    (_SETRLIMIT, 0, (4,)), (_PRLIMIT, 1, (4,)),  # RLIMIT_CORE: its 1 keeps dumps from the system's own program
)
_NAMESPACES = 0x7E020080  # clone's flags for new ones
_LOAD, _EQUAL, _AT_LEAST, _HAS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_OTHER_NUMBERS = 0x40000000  # x86's second table of the same calls
_SET_SECCOMP, _FILTER = 22, 2

_Code = tuple[int, int, int, int]  # what to do, how far to jump where it holds, and where not, a value


class _Step(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("then", ctypes.c_uint8), ("otherwise", ctypes.c_uint8),
                ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Step)))


def refuse(libc: ctypes.CDLL) -> None:
    """From here on this process, and all that it starts, cannot make these calls. Needs no_new_privs."""
    if platform.machine() not in _MACHINES:
        return
    steps = _steps(*_MACHINES[platform.machine()])
    program = _Program(len(steps), (_Step * len(steps))(*(_Step(*step) for step in steps)))
    if libc.prctl(_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0) and ctypes.get_errno() != errno.EINVAL:
        raise OSError(ctypes.get_errno(), "seccomp")


def _steps(machine: int, column: int) -> list[_Code]:
    allow, refuse_it = (_RETURN, 0, 0, _ALLOW), _error(errno.EPERM)
    steps: list[_Code] = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, machine), refuse_it, (_LOAD, 0, 0, 0),
                          (_AT_LEAST, 0, 1, _OTHER_NUMBERS), refuse_it]
    steps += _block(_AT_LEAST, _NEW, [*_each(_NEW_ALLOWED, allow), _error(errno.ENOSYS)])
    steps += _each((numbers[column] for numbers in _REFUSED.values() if numbers[column] is not None), refuse_it)
    for call in (_SOCKET, _SOCKETPAIR):
        steps += _block(_EQUAL, call[column], [_argument(0), *_each((_UNIX,), allow), _error(errno.EAFNOSUPPORT)])
    for call, position, values in _REFUSED_ARGUMENTS:
        steps += _block(_EQUAL, call[column], [_argument(position), *_each(values, refuse_it), allow])
    steps += _block(_EQUAL, _CLONE[column], [_argument(0), (_HAS, 0, 1, _NAMESPACES), refuse_it, allow])
    return [*steps, allow]


def _error(number: int) -> _Code:
    return _RETURN, 0, 0, _ERROR | number


def _argument(position: int) -> _Code:
    return _LOAD, 0, 0, 16 + 8 * position  # its lower half, which is all that the kernel looks at in these


def _each(values: Iterable[int | None], end: _Code) -> list[_Code]:
    return [step for value in values if value is not None for step in ((_EQUAL, 0, 1, value), end)]


def _block(test: int, value: int, body: list[_Code]) -> list[_Code]:
    return [(test, 0, len(body), value), *body]
