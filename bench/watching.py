"""How soon feedback comes where `convcraft grade --watch --release` runs and students hand in at random moments."""

import random
import secrets
import shutil
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from nbgrader.utils import notebook_hash

from convcraft.author.source import Chapter

if TYPE_CHECKING:
    from grading import Bench

_EACH_MINUTE = 10
_WANTED = 30.0  # seconds
_LONGEST = 300.0  # seconds that the last one's feedback is waited for
_SEED = 1
_CONFIG = """
c.Exchange.root = {exchange!r}
c.CourseDirectory.course_id = "bench"
c.ExchangeCollect.check_owner = False
"""


def table(bench: "Bench", minutes: float) -> list[str]:
    """Seconds from handing in, as nbgrader's own command does, to the page of feedback in the exchange."""
    count = round(_EACH_MINUTE * minutes)
    chapter = bench.made("watch", count)
    exchange, homes = chapter.root.with_name("exchange"), chapter.root.with_name("homes")
    (chapter.root / "submitted").rename(homes)
    for part in ("inbound", "feedback"):
        (exchange / "bench" / part).mkdir(parents=True)
    with open(chapter.root / "nbgrader_config.py", "a", encoding="utf-8") as config:
        config.write(_CONFIG.format(exchange=str(exchange)))
    watching = subprocess.Popen([Path(sys.executable).with_name("convcraft"), "grade", "--course", chapter.root,
                                 "--watch", "--release"], stdout=subprocess.PIPE, cwd=chapter.root)
    try:
        watching.stdout.readline()  # it watches
        pages = _handed_in(chapter, homes, exchange / "bench", minutes)
        _await(pages)
    finally:
        watching.terminate()
        watching.communicate()
    took = sorted(page.stat().st_mtime - when if page.exists() else float("inf") for page, when in pages.items())
    late = sum(each > _WANTED for each in took)
    return ["| submissions | a minute | median, s | 95 %, s | longest, s | later than 30 s |",
            "| --: | --: | --: | --: | --: | --: |",
            f"| {count} | {_EACH_MINUTE} | {statistics.median(took):.1f} | {took[round(0.95 * (count - 1))]:.1f} | "
            f"{took[-1]:.1f} | {late} |", "", "One worker, at random moments. Wanted: none later than 30 s."]


def _handed_in(chapter: Chapter, homes: Path, exchange: Path, minutes: float) -> dict[Path, float]:
    """Hand in for so many minutes: where each one's feedback will be → when it was handed in."""
    draw, students = random.Random(_SEED), sorted(homes.iterdir())
    moments = sorted(draw.uniform(0, 60 * minutes) for _ in students)
    begin, pages = time.time(), {}
    for moment, student in zip(moments, students, strict=True):
        time.sleep(max(0.0, begin + moment - time.time()))
        when, secret = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S.%f} UTC", secrets.token_hex(64)
        place = exchange / "inbound" / f"{student.name}+{chapter.name}+{when}+{secret[:8]}"
        shutil.copytree(student / chapter.name, place)
        (place / "timestamp.txt").write_text(when)
        (place / "submission_secret.txt").write_text(secret)
        page = notebook_hash(secret=secret, notebook_id=chapter.script.stem)
        pages[exchange / "feedback" / f"{page}.html"] = time.time()
    return pages


def _await(pages: dict[Path, float]) -> None:
    """Wait until all are there, or too long."""
    until = time.monotonic() + _LONGEST
    while not all(page.exists() for page in pages) and time.monotonic() < until:
        time.sleep(1.0)
