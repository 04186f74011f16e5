"""What tests need beside Python: where it is missing they are left out, which is said; in CI that is a failure."""

import os
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from convcraft.commands import ROOT
from convcraft.grading.sandbox.walls import NoSandboxError, check


def need(found: object, what: str, remedy: str) -> None:
    """Skip where a tool is missing; in CI that is a failure."""
    if not found:
        _leave_out(f"{what} is missing: {remedy}")


def need_sandbox() -> None:
    """Skip where answers cannot be sealed off."""
    if why := _no_sandbox():
        _leave_out(f"no sandbox: {why} (`make system` installs bubblewrap.)")


@cache
def _no_sandbox() -> str:
    try:
        check(ROOT)
    except NoSandboxError as error:
        return str(error)
    return ""


def _leave_out(reason: str) -> None:
    if os.environ.get("CONVCRAFT_CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def left_out(skipped: list) -> list[str]:
    """A line for each reason for which reports were skipped, with how many."""
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in skipped)
    return [f"  {count} test{'s' * (count != 1)}: {reason}" for reason, count in sorted(reasons.items())]


def keep(lines: list[str]) -> None:
    """Leave the lines to whoever runs several parts, as `make test` does."""
    if target := os.environ.get("CONVCRAFT_LEFT_OUT"):
        with Path(target).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
