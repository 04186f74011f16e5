"""What a graded notebook shows beneath its cells."""

import hashlib
from typing import Any

import torch

from convcraft.exam import Verdict
from convcraft.exam.present import bundle
from convcraft.grading.sandbox.run import StepResult
from convcraft.language import current

_MAX_HTML = 2_000_000
_MAX_KEPT = 32_000_000  # characters of drawings


def of_cell(ran: StepResult) -> list[dict[str, Any]]:
    """Beneath a cell that ran."""
    return [*ran.outputs, *_note(ran.ended)]


def of_exam(verdict: Verdict, ran: StepResult) -> list[dict[str, Any]]:
    """Beneath an exam: nothing on stderr, no error, and the points first: nbgrader gives its marks by that."""
    data = {mime: text for mime, text in _shown(verdict).items() if len(text) <= _MAX_HTML}
    calm = []
    for output in ran.outputs:
        match output["output_type"]:
            case "error":
                output = {"output_type": "stream", "name": "stdout", "text": f"{output['ename']}: {output['evalue']}\n"}
            case "stream":
                output = {**output, "name": "stdout"}
            case "execute_result":
                continue
        calm.append(output)
    points = {"output_type": "execute_result", "data": {"text/plain": repr(verdict.points), "text/html": ""},
              "metadata": {}, "execution_count": None}
    shown = {"output_type": "display_data", "data": data, "metadata": {}}
    return [shown, *calm, *_note(ran.ended), points]


def _note(text: str) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": "stdout", "text": text + "\n"}] if text else []


def _shown(verdict: Verdict) -> dict[str, str]:
    """The verdict under its MIME types. The same mistakes are drawn once, and the drawing alone is kept."""
    facts = (current(), verdict.exercise, verdict.points, verdict.output, [
        (row.name, row.passed, row.diagnosis, row.detail, row.relation, row.call) for row in verdict.rows])
    digest = hashlib.sha256(repr(facts).encode("utf-8", "replace"))
    for row in verdict.rows:
        digest.update(_bytes(row.comparison.yours))
    key = digest.digest()
    if key not in _drawn:
        _drawn[key] = bundle(verdict)
        while sum(map(_size, _drawn.values())) > _MAX_KEPT and len(_drawn) > 1:
            _drawn.pop(next(iter(_drawn)))
    return _drawn[key]


_drawn: dict[bytes, dict[str, str]] = {}  # the oldest first


def _size(data: dict[str, str]) -> int:
    return sum(map(len, data.values()))


def _bytes(tensor: torch.Tensor | None) -> bytes:
    return b"" if tensor is None else repr((tensor.dtype, tensor.shape)).encode() + tensor.contiguous().view(-1).view(
        torch.uint8).numpy().tobytes()
