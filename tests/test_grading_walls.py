"""What a notebook may use and reach, tried from inside; what is accepted from it, tried by hand."""

import base64
import io
import json
import math
import os
import threading
import time
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import grading_course as toy
import nbformat
import pytest
import torch
from PIL import Image

from convcraft.exam import Record, judge
from convcraft.grading import outputs
from convcraft.grading.classroom import grade_class
from convcraft.grading.course import Course
from convcraft.grading.exercises import Chapter, chapters_of
from convcraft.grading.nbgrader.pages import Answers, Bounded
from convcraft.grading.sandbox import group, inside, received, run, syscalls, turns
from convcraft.grading.sandbox.process import Running, SandboxError
from convcraft.grading.sandbox.run import Limits, run_notebook
from convcraft.grading.warm_process import ready_process

pytestmark = [pytest.mark.xdist_group("walls"), pytest.mark.sandbox]
_MIB = 2**20
_LIMITS = Limits(seconds=2.0, memory=512 * _MIB)
_MINE = f"wall-{os.getpid()}"
_RIGHT = toy.RIGHT["toy_relu"]


@pytest.fixture(scope="module")
def course(toy_root, tmp_path_factory):
    root = toy.copied(toy_root, tmp_path_factory.mktemp("walls") / "course")
    return Course(root, root / "source", limits=_LIMITS)


@pytest.fixture(params=["a control group", "no control group"])
def with_or_without_group(request, monkeypatch):
    """Both ways in which memory is held; on a system that lets no group be made, the second one twice."""
    if request.param == "no control group":
        monkeypatch.setattr(group, "_parents", lambda: {})
    return request.param


def _chapters(course: Course) -> list[Chapter]:
    return chapters_of(course.source, ["toy_relu"])


def _run(course: Course, *cells: str, answer: str = _RIGHT, limits: Limits = _LIMITS):
    """Own cells, an answer, its exam, run in the sandbox: the steps' results."""
    steps = [{"number": number, "code": code, "own": True} for number, code in enumerate(cells)]
    steps += [{"number": 100, "code": answer, "own": False},
              {"number": 101, "exam": "toy_relu", "answer": "toy_relu", "seed": 7}]
    return run_notebook(ready_process(course, _chapters(course)), steps, limits)


def _said(course: Course, code: str) -> object:
    """What a cell prints, read as JSON."""
    (output,) = _run(course, code)[0].outputs
    return json.loads(output["text"])


# --- what it can call ----------------------------------------------------------------------------------------------

_PTRACE_AND_KIN = {
    "ptrace", "process_vm_readv", "process_vm_writev", "memfd_create", "vmsplice", "splice", "tee", "sendfile",
    "io_setup", "userfaultfd", "keyctl", "perf_event_open", "shmget", "semget", "msgget", "mq_open", "inotify_init1",
    "fanotify_init", "flock", "unshare", "setns", "mount", "bpf",
}


@pytest.mark.skipif(os.uname().machine not in syscalls._MACHINES, reason="system calls are refused on x86_64, aarch64")
def test_calls_that_no_answer_needs_are_refused(course):
    column = syscalls._MACHINES[os.uname().machine][1]
    numbers = {name: several[column] for name, several in syscalls._REFUSED.items() if several[column] is not None}
    new = {"pidfd_getfd": 438, "io_uring_setup": 425, "memfd_secret": 447, "process_madvise": 440, "clone3": 435,
           "landlock_create_ruleset": 444, "open_tree": 428, "of the year after next": 900}
    made = _said(course, f"""
import ctypes, json
libc = ctypes.CDLL(None, use_errno=True)
made = []
for name, number in {({**numbers, **new})!r}.items():
    ctypes.set_errno(0)
    if libc.syscall(ctypes.c_long(number), *[ctypes.c_long(-1)] * 5) != -1 or ctypes.get_errno() not in (1, 38):
        made.append(name)
print(json.dumps(made))""")
    assert made == []
    assert numbers.keys() >= _PTRACE_AND_KIN


def test_only_sockets_that_stay_inside_can_be_made(course):
    made = _said(course, """
import json, socket
made = []
for family in range(1, 46):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        try: socket.socket(family, kind).close(); made.append(family)
        except OSError: pass
print(json.dumps(sorted(set(made))))""")
    assert made == [1]


def test_no_lock_and_no_watch_on_a_file_that_others_see(course):
    done = _said(course, """
import fcntl, json, os
done = []
def attempt(name, call):
    try: call(); done.append(name)
    except OSError: pass
shared, device = os.open(os.__file__, os.O_RDONLY), os.open("/dev/null", os.O_RDWR)
for name, file in (("library", shared), ("device", device)):
    attempt("flock " + name, lambda: fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB))
    attempt("lockf " + name, lambda: fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB))
    attempt("getlk " + name, lambda: fcntl.fcntl(file, fcntl.F_GETLK, bytes(32)))
    attempt("ofd " + name, lambda: fcntl.fcntl(file, 37, bytes(32)))
    attempt("lease " + name, lambda: fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK))
attempt("notify", lambda: fcntl.fcntl(os.open("/usr", os.O_RDONLY), fcntl.F_NOTIFY, fcntl.DN_ACCESS))
attempt("pipe", lambda: fcntl.fcntl(os.pipe()[0], 1031, 2**20))
print(json.dumps(done))""")
    assert done == []


def test_nothing_can_be_changed_through_proc_or_about_its_own_memory(course):
    done = _said(course, """
import ctypes, json, os, resource
libc = ctypes.CDLL(None, use_errno=True)
done = []
for name in ("oom_score_adj", "coredump_filter", "autogroup", "mem", "clear_refs", "timerslack_ns"):
    try: open(f"/proc/self/{name}", "r+b", buffering=0).close(); done.append(name)
    except OSError: pass
if libc.prctl(4, 0, 0, 0, 0) == 0: done.append("PR_SET_DUMPABLE")
try: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); done.append("RLIMIT_CORE")
except (OSError, ValueError): pass
if int(open("/proc/self/oom_score_adj").read()) != 1000: done.append("oom_score_adj is not the highest")
print(json.dumps(done))""")
    assert done == []


def test_processes_and_their_time_are_few(course):
    count, files, seconds = _said(course, """
import json, os, resource, time
count = 0
for _ in range(60):
    try:
        if not os.fork(): time.sleep(10); os._exit(0)
        count += 1
    except OSError: break
limits = [resource.getrlimit(which)[1] for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_CPU)]
print(json.dumps([count, *limits]))""")
    assert count < 24 and files <= 96 and seconds == _LIMITS.own + _LIMITS.exams


def test_what_people_use_still_works(course):
    results = _run(course, "!echo shell",
                   "import subprocess; print(subprocess.check_output(['echo', 'program']).decode())",
                   "import asyncio; asyncio.run(asyncio.sleep(0)); print('loop')",
                   "from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor() as pool: "
                   "print('threads', sum(pool.map(abs, range(9))))",
                   "from torch.utils.data import DataLoader\n"
                   "print('loader', len(list(DataLoader(range(8), num_workers=2))))",
                   "import shutil; open('a', 'w').write('copied'); shutil.copyfile('a', 'b'); print(open('b').read())")
    said = ["".join(output.get("text", output["output_type"]) for output in results[number].outputs).strip()
            for number in range(6)]
    assert said == ["shell", "program", "loop", "threads 36", "loader 8", "copied"]
    assert len(results[101].records) == 2


def test_a_thread_that_a_cell_has_started_is_watched_in_an_exam(course):
    results = _run(course, "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)\n"
                   "pool.submit(int).result()",
                   answer="import torch\ndef toy_relu(x):\n    return pool.submit(torch.relu, x).result()")
    assert [record.banned for record in results[101].records] == [("aten::relu",)] * 2


def test_pip_does_not_wait_for_a_network(course):
    result = _run(course, "%pip install nothing-that-is-called-so", limits=Limits(60.0, 512 * _MIB))[0]
    said = "".join(output.get("text", "") for output in result.outputs)
    assert "Retrying" not in said and "No matching distribution" in said and not result.ended


def _terminal(course: Course) -> str:
    (output,) = _run(course, "import os, time\npty = os.openpty(); time.sleep(1); print(os.ttyname(pty[1]))")[0].outputs
    return output["text"].strip()


def test_terminals_are_not_shared_with_notebooks_of_the_same_time(course):
    ready_process(course, _chapters(course))
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        assert set(pool.map(_terminal, [course] * 2)) == {"/dev/pts/0"}


# --- how much memory it can hold -----------------------------------------------------------------------------------

_HOLD = """
import os, select, socket, sys, time
MIB = 2**20
def fill():
    {fill}
waiting, pids, total = [], [], 0
for _ in range({processes}):
    out, into = os.pipe()
    try: pid = os.fork()
    except OSError: break
    if not pid:
        held = fill()
        os.write(into, b"%d" % held[0])
        time.sleep(20); os._exit(0)
    os.close(into)
    waiting.append(out); pids.append(pid)
until = time.time() + 8
ended = False
while (waiting or time.time() < until - 7.5) and time.time() < until and not ended:
    for out in select.select(waiting, [], [], 0.1)[0]:
        total += int(os.read(out, 20) or 0); waiting.remove(out)
    ended = any(os.waitpid(pid, os.WNOHANG)[0] for pid in pids)
print("ENDED" if ended else total)
"""


def _held(course: Course, fill: str, processes: int) -> int:
    """MiB that a notebook's processes held at the same time; -1 where one, or all, were ended for it."""
    result = _run(course, _HOLD.format(fill=fill, processes=processes), limits=Limits(10.0, 512 * _MIB))[0]
    said = [output["text"].strip() for output in result.outputs if output.get("name") == "stdout"]
    return int(said[0]) if said and said[0].isdigit() else -1


def test_memory_is_held_in_sum(course, with_or_without_group):
    fill = "memory = bytearray(b'x') * (300 * MIB); return 300, memory"
    assert _held(course, fill, 6) < 1024 + 100
    assert _held(course, fill, 2) == 600, "what is within the limit can be used"


def test_memory_in_sockets_is_held_in_sum(course, with_or_without_group):
    fill = """size, kept = 0, []
    try:
        while True:
            for end in (pair := socket.socketpair()):
                end.setblocking(False)
                try:
                    while True: size += end.send(bytes(2**16))
                except BlockingIOError: pass
            kept.append(pair)
    except OSError: return size // MIB, kept"""
    assert _held(course, fill, 60) < 512


def test_memory_in_files_is_counted(course, with_or_without_group):
    fill = """open("/dev/shm/" + str(os.getpid()), "wb").write(bytes(14 * MIB))
    memory = bytearray(b"x") * (276 * MIB)
    return 290, memory"""
    assert _held(course, fill, 4) < 1024 + 100


def test_a_process_that_hides_its_memory_is_counted_whole(monkeypatch):
    def hidden(path, *rest):
        if "smaps" in str(path):
            raise PermissionError
        return io.StringIO("900 500 100")

    monkeypatch.setattr("builtins.open", hidden)
    assert inside._memory_of("1") == 500 * os.sysconf("SC_PAGE_SIZE")


def test_groups_are_taken_away(course):
    def mine() -> set[Path]:
        name = f"convcraft-*-{os.getpid()}-*"
        return {folder for parent in group._parents().values() for folder in parent.glob(name)}

    ready_process(course, _chapters(course)).see_gone()
    before = mine()
    _run(course)
    ready_process(course, _chapters(course)).see_gone()
    assert mine() == before


def test_a_group_of_the_new_kind_is_made_where_memory_is_handed_on(tmp_path):
    """On folders that look like the kernel's: of a service of a user's own, to whom the slice above belongs."""
    here = tmp_path / "user.slice/app.slice/jupyter.scope"
    here.mkdir(parents=True)
    for folder, controllers in ((here, ""), (here.parent, "memory pids"), (here.parent.parent, "cpu pids")):
        (folder / "cgroup.subtree_control").write_text(controllers)
    process = tmp_path / "process"
    process.mkdir()
    (process / "cgroup").write_text("0::/user.slice/app.slice/jupyter.scope\n")
    (process / "mounts").write_text(f"cgroup2 {tmp_path} cgroup2 rw 0 0\n")
    assert group._candidates(process) == {"unified": [here.parent]}
    group._made(here.parent / "new", "unified", 1000)
    assert (here.parent / "new/memory.max").read_text() == "1000"


# --- how long it lives ---------------------------------------------------------------------------------------------

def _left() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            found += [path.parent.name] if path.read_text().strip() == _MINE else []
        except OSError:
            continue
    return found


def test_who_traces_his_first_process_does_not_outlive_it(course):
    _run(course, f"""
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.prctl(15, {_MINE.encode()!r})
for call in ({{}}, {{}}):
    if not os.fork():
        libc.ptrace(0x4206, 1, None, ctypes.c_void_p(0x40))  # PTRACE_SEIZE, PTRACE_O_TRACEEXIT
        until = time.time() + 20
        while time.time() < until: time.sleep(0.01)
        os._exit(0)
time.sleep(0.5)""")
    _run(course)  # it begins when nothing is left
    assert _left() == []


def test_what_could_not_be_ended_stops_the_grader(course, monkeypatch):
    warm = ready_process(course, _chapters(course))
    _run(course)
    warm.see_gone()
    monkeypatch.setattr("convcraft.grading.sandbox.process._END", 0.2)
    running = Running(warm.control, os.getpid(), {
        "steps": [{"number": 0, "code": "import time; time.sleep(30)", "own": True}], "seconds": 30,
        "own_seconds": 30, "memory": 2**29, "together": 2**30, "processor": 60})
    with pytest.raises(SandboxError, match="could not be ended"):
        running.see_gone()  # nobody has told it to end
    running.end()


def test_a_trickle_does_not_hold_up_the_end(course):
    begin = time.monotonic()
    results = _run(course, """
import os, struct, time
os.write(3, struct.pack("!cII", b"o", 0, 60_000_000))
until = time.time() + 40
for _ in range(20):
    if not os.fork():
        while time.time() < until:
            os.write(3, b"x"); time.sleep(0.001)
        os._exit(0)
while time.time() < until:
    try: time.sleep(until - time.time())
    except BaseException: pass""", limits=Limits(0.5, 512 * _MIB))
    assert time.monotonic() - begin < 25
    assert "ended from outside" in results[0].ended
    assert len(results[101].records) == 2, "the rest was run without it"


# --- who has the machine -------------------------------------------------------------------------------------------

@pytest.fixture
def a_machine_of_its_own(monkeypatch, tmp_path):
    """Nobody else grades here, whatever other tests do at the time."""
    monkeypatch.setattr(turns, "_folder", lambda: tmp_path / "turns")


def _slow_until(when: float) -> str:
    return f"import time\ndef toy_relu(x):\n    while time.time() < float('{when}'): pass\n    return x * (x > 0)"


def _somebody_else_until(when: float) -> threading.Thread:
    """Holds a place among those who run a notebook."""
    inside_now = threading.Event()

    def hold():
        with turns.beside_others():
            inside_now.set()
            time.sleep(max(when - time.time(), 0))

    thread = threading.Thread(target=hold)
    thread.start()
    inside_now.wait()
    return thread


def test_who_ran_out_of_time_beside_others_is_tried_once_more_alone(course, a_machine_of_its_own):
    until = time.time() + 5
    other = _somebody_else_until(until)
    results = _run(course, answer=_slow_until(until))
    other.join()
    assert len(results[101].records) == 2 and not results[101].failures


def test_who_ran_out_of_time_alone_is_not_tried_again(course, a_machine_of_its_own, monkeypatch):
    monkeypatch.setattr(turns, "alone", lambda: pytest.fail("tried again"))
    results = _run(course, answer=_slow_until(math.inf))
    assert results[101].failures == {"OutOfTime"}


def test_points_do_not_depend_on_a_neighbour_who_spins(toy_root, tmp_path):
    root = toy.copied(toy_root, tmp_path / "course")
    spins = """import os, time
for _ in range(60):
    try:
        if not os.fork():
            until = time.time() + 8
            while time.time() < until: pass
            os._exit(0)
    except OSError: break
time.sleep(2.5)
"""
    slow = ("import time\ntime.sleep(0.5)\ndef toy_relu(x):\n    until = time.process_time() + 0.06\n"
            "    while time.process_time() < until: pass\n    return x * (x > 0)")
    toy.submit(root, "a", toy.notebook(root, {"toy_affine": spins}))
    toy.submit(root, "b", toy.notebook(root, {**toy.RIGHT, "toy_relu": slow}))
    course = Course(root, root / "source", limits=Limits(3.0, 512 * _MIB))
    assert not grade_class(root, workers=2, course=course).problems
    assert toy.points(root)["b"] == 100


# --- what is accepted of it ----------------------------------------------------------------------------------------

_FIELDS = {"aspect": "values", "banned": [], "output": "", "seconds": 0.5, "calls": [], "observation": ["plain", 1]}


def _record(**changed: object) -> bytes:
    import safetensors.torch

    return safetensors.torch.save({}, {"record": json.dumps({**_FIELDS, **changed})})


@pytest.mark.parametrize("changed", [
    *({"seconds": value} for value in (10**400, -1, float("nan"), float("inf"), True, "1", None, [1], 1e300)),
    *({"aspect": value} for value in (7, None, ["values"], "x" * 100_000)),
    *({"output": value} for value in (7, None, "x" * 100_000)),
    *({"calls": value} for value in ("text", [7], None, {"a": 1}, ["x"] * 100_000, ["x" * 100_000])),
    *({"banned": value} for value in ("conv2d", [None], 7, ["x"] * 100_000)),
    *({"observation": value} for value in (
        [], "plain", {}, None, ["plain"], ["plain", 10**400], ["plain", -10**30], ["plain", [1]],
        ["plain", "x" * 100_000],
        ["plain", float("nan")], ["float", "1e5"], ["float", 10**400], ["tensor", "0"], ["tensor", []], ["list", 7],
        ["list", {"a": 1}], ["dict", [1]], ["failure", "a"], ["failure", 1, 2, 3], ["opaque", {}], ["nothing", 1])),
], ids=lambda changed: json.dumps(changed)[:40])
def test_a_record_with_a_field_out_of_range_is_none(changed):
    assert Record.from_bytes(_record()).observation == 1
    with pytest.raises(ValueError):
        received.checked_record(_record(**changed))


def test_a_tensor_larger_than_any_that_is_observed_is_none():
    for tensor in (torch.zeros(4_000_001, dtype=torch.uint8), torch.zeros(2, dtype=torch.float8_e5m2)):
        with pytest.raises(ValueError):
            received.checked_record(Record("values", tensor).to_bytes())
    once = ["list", [["tensor", "0"]] * 1000]
    data = Record("values", torch.zeros(3)).to_bytes()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])
    header["__metadata__"]["record"] = json.dumps({**_FIELDS, "observation": once})
    text = json.dumps(header).encode()
    with pytest.raises(ValueError):
        received.checked_record(len(text).to_bytes(8, "little") + text + bytes(12))


def test_output_of_aspects_that_are_none_is_not_kept(course):
    exercise = _chapters(course)[0].exercises["toy_relu"]
    records = [Record(f"aspect {number}", True, output=chr(48 + number % 70) * 10_000) for number in range(2_000)]
    outputs._drawn.clear()
    tracemalloc.start()
    try:
        verdict = judge(exercise, records, 7)
        outputs.of_exam(verdict, run.StepResult())
        assert tracemalloc.get_traced_memory()[1] < 8 * _MIB
    finally:
        tracemalloc.stop()
    assert not verdict.output


def test_drawings_are_kept_within_a_sum(course, monkeypatch):
    exercise = _chapters(course)[0].exercises["toy_relu"]
    monkeypatch.setattr(outputs, "_MAX_KEPT", 50_000)
    for number in range(30):
        records = [Record("values", torch.full((2, 3), float(number)), output="x" * 9_000)]
        outputs.of_exam(judge(exercise, records, 7), run.StepResult())
    assert sum(map(outputs._size, outputs._drawn.values())) <= 50_000


def test_what_one_notebook_shows_is_bounded_however_often_it_begins_anew(course):
    cell = """
import json, os, socket, struct
payload = json.dumps({"output_type": "stream", "name": "stdout", "text": "x" * 3_000_000}).encode()
socket.socket(fileno=os.dup(3)).sendall(struct.pack("!cII", b"o", %d, len(payload)) + payload)
os._exit(0)"""
    results = _run(course, *(cell % number for number in range(6)))
    texts = [output["text"] for result in results.values() for output in result.outputs]
    assert 3_000_000 <= sum(map(len, texts)) < 4 * _MIB
    assert texts.count(run.CUT + "\n") == 1
    assert len(results[101].records) == 2


def test_many_small_outputs_and_records_are_bounded_too(course):
    results = _run(course, """
import socket, os
from convcraft.exam.observation import Record
from convcraft.grading.sandbox import wire
send = socket.socket(fileno=os.dup(3)).sendall
small = wire.frame(wire.OUTPUT, 0, b'{"output_type":"stream","name":"stdout","text":""}')
for _ in range(100): send(small * 1000)
""", answer=_RIGHT + """
import os, socket
from convcraft.exam.observation import Record
from convcraft.grading.sandbox import wire
def toy_relu(x):
    send = socket.socket(fileno=os.dup(3)).sendall
    small = wire.frame(wire.RECORD, 101, Record("another", True).to_bytes())
    for _ in range(20): send(small * 1000)
    return x * (x > 0)""")
    assert len(results[0].outputs) < 10_000
    assert len(results[101].records) < 5_000


def _picture(width: int, height: int, kind: str = "png") -> str:
    data = io.BytesIO()
    Image.new("1" if kind == "png" else "L", (width, height)).save(data, kind)
    return base64.b64encode(data.getvalue()).decode()


@pytest.mark.parametrize(("mime", "picture", "shown"), [
    ("image/png", _picture(10, 10), True), ("image/jpeg", _picture(10, 10, "jpeg"), True),
    ("image/png", _picture(20_000, 20_000), False), ("image/png", _picture(10, 10, "jpeg"), False),
    ("image/png", "AAAA", False), ("image/png", "", False), ("image/png", "AAA", False),
], ids=["png", "jpeg", "huge", "another kind", "noise", "empty", "cut"])
def test_a_picture_is_one_and_fits_a_browser(mime, picture, shown):
    payload = json.dumps({"output_type": "display_data", "data": {mime: picture}, "metadata": {}}).encode()
    assert (mime in received.checked_output(payload)["data"]) == shown


@pytest.mark.parametrize("code", [0x202E, 0x202A, 0x2066, 0x200F, 0x061C])
def test_a_mark_that_turns_text_round_is_shown_as_such(code):
    sly = f"x = {chr(code)}1"
    stream = json.dumps({"output_type": "stream", "name": "stdout", "text": sly}).encode()
    error = json.dumps({"output_type": "error", "ename": sly, "evalue": sly, "traceback": [sly]}).encode()
    page, _ = Bounded().preprocess(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(sly)]), {})
    record = received.checked_record(_record(observation=["failure", sly, sly, sly], output=sly, calls=[sly]))
    for text in (received.checked_output(stream), received.checked_output(error), page, record):
        assert chr(code) not in str(text) and f"⟨U+{code:04X}⟩" in str(text)


# --- what a page shows ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("source", ["a." * 20_000, " \n" * 20_000, "1." * 20_000, "x" * 100_000, "x = 1\n" * 20_000],
                         ids=["dots", "empty lines", "numbers", "one line", "many lines"])
def test_code_that_takes_long_to_colour_is_cut_and_left_plain(source):
    page, _ = Bounded().preprocess(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), {})
    assert page.cells[0].metadata.magics_language == "text"
    assert len(page.cells[0].source) < 21_000


def test_a_page_has_a_limit_of_its_own():
    stream = {"output_type": "stream", "name": "stdout", "text": "\x1b[31mx\x1b[0m" * 400_000}
    picture = {"output_type": "display_data", "data": {"image/png": "A" * 2_000_000}, "metadata": {}}
    cells = [nbformat.from_dict({"cell_type": "code", "metadata": {}, "source": "x = 1\n" * 5_000,
                                 "execution_count": None, "id": str(number), "outputs": [stream, picture]})
             for number in range(100)]
    page, _ = Bounded().preprocess(nbformat.v4.new_notebook(cells=cells), {})
    assert len(nbformat.writes(page)) < 16_000_000
    texts = [cell.source + "".join(output.get("text", "") for output in cell.outputs) for cell in page.cells]
    assert sum(map(len, texts)) < 500_000


def test_an_answer_as_people_write_it_is_coloured():
    page, _ = Bounded().preprocess(nbformat.v4.new_notebook(cells=[
        nbformat.v4.new_code_cell(source) for source in toy.RIGHT.values()]), {})
    assert [cell.source for cell in page.cells] == list(toy.RIGHT.values())
    assert not any("magics_language" in cell.metadata for cell in page.cells)


def test_feedback_on_what_takes_long_to_colour_comes_soon(course, tmp_path):
    from nbconvert.exporters import HTMLExporter

    coloured = {"output_type": "stream", "name": "stdout", "text": "\x1b[31mx\x1b[0m" * 400_000}
    cells = [nbformat.v4.new_code_cell("a." * 20_000, outputs=[nbformat.from_dict(coloured)]) for _ in range(3)]
    begin = time.monotonic()
    HTMLExporter(preprocessors=[Answers, Bounded]).from_notebook_node(nbformat.v4.new_notebook(cells=cells))
    assert time.monotonic() - begin < 20
