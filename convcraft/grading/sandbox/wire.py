"""What grader and sandbox say to each other: frames on a stream; messages with open files on a control socket."""

import json
import socket
import struct
import sys
from collections.abc import Iterator
from typing import Any

_HEADER = struct.Struct("!cII")
START, OUTPUT, RECORD, SKIPPED, LATE, DONE, END = b"s", b"o", b"r", b"k", b"l", b"d", b"e"
CONTROL = socket.SOCK_SEQPACKET if sys.platform == "linux" else socket.SOCK_DGRAM  # macOS names it and refuses it
_CONTROL_BYTES, _CONTROL_FILES = 4096, 8
GONE = b"."  # a minder's last word: nothing is left of its notebook


class BadFrameError(ValueError):
    """What arrived is no frame: somebody else has written."""


def frame(kind: bytes, step: int, payload: bytes = b"") -> bytes:
    """A frame about the step of that number."""
    return _HEADER.pack(kind, step, len(payload)) + payload


class StoppedError(Exception):
    """The cell of an answer stopped before it had defined it: observed in place of the answer."""


class Frames:
    """Takes bytes as they come and gives whole frames."""

    def __init__(self, largest: int):
        self._largest, self._buffer = largest, bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
        """The frames that `data` completes.

        Raises:
            BadFrameError: a frame of unknown kind, or larger than `largest`.
        """
        self._buffer += data
        while len(self._buffer) >= _HEADER.size:
            kind, step, length = _HEADER.unpack_from(self._buffer)
            if kind not in (START, OUTPUT, RECORD, SKIPPED, LATE, DONE, END) or length > self._largest:
                raise BadFrameError(f"kind {kind!r}, {length} bytes")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_HEADER.size:end])
            del self._buffer[:end]
            yield kind, step, payload


def send_job(stream: socket.socket, job: dict[str, Any]) -> None:
    """Send what is to be run; the other side reads all of it before it runs anything."""
    data = json.dumps(job).encode()
    stream.sendall(struct.pack("!I", len(data)) + data)


def receive_job(stream: socket.socket) -> dict[str, Any]:
    """The job that `send_job` sent."""
    (length,) = struct.unpack("!I", _exactly(stream, 4))
    job: dict[str, Any] = json.loads(_exactly(stream, length))
    return job


def _exactly(stream: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = stream.recv(min(size - len(data), 1 << 20))
        if not part:
            raise EOFError("the grader went away")
        data += part
    return bytes(data)


def send_control(control: socket.socket, message: dict[str, Any], *descriptors: int) -> None:
    """Send one message, with open files, to the warm process."""
    socket.send_fds(control, [json.dumps(message).encode()], list(descriptors))


def receive_control(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    """One message and its open files; None where the other side has gone."""
    data, descriptors, _, _ = socket.recv_fds(control, _CONTROL_BYTES, _CONTROL_FILES)
    return (json.loads(data) if data else None), descriptors
