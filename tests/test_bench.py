"""What measures still runs; how fast anything is, no test says."""

import re
import subprocess
import sys

import pytest

from convcraft.commands import ROOT

pytestmark = [pytest.mark.long, pytest.mark.sandbox]


@pytest.mark.parametrize(("bench", "options", "titles"), [
    ("grading", ("--only", "speed", "--students", "3", "--stock", "2", "--repeat", "1"), ["Speed"]),
    ("cluster", ("--only", "writer", "--only", "throughput", "--students", "3", "--repeat", "1"),
     ["The one that records", "Throughput"]),
])
def test_a_bench_measures(bench, options, titles):
    before = (ROOT / "bench/README.md").read_bytes()
    run = subprocess.run([sys.executable, ROOT / f"bench/{bench}.py", *options], cwd=ROOT, capture_output=True,
                         text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert re.findall(r"^### (.*)$", run.stdout, flags=re.M) == titles
    assert (ROOT / "bench/README.md").read_bytes() == before  # nothing is written unasked


def test_what_a_part_does_not_measure_anew_is_kept(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    import section

    page = tmp_path / "README.md"
    page.write_text("before\n<!-- a -->\n<!-- /a -->\nafter\n")
    monkeypatch.setattr(section, "README", page)
    assert section.tables("a") == {}
    section.write("a", ["### One\n\n1\n\n### Two\n\n2"])
    assert section.tables("a") == {"One": "### One\n\n1", "Two": "### Two\n\n2"}
    assert page.read_text() == "before\n<!-- a -->\n### One\n\n1\n\n### Two\n\n2\n<!-- /a -->\nafter\n"
