"""A class that attacks: each student a submission, and the points that its code honestly earns.

Everybody's honest part is the same (see `BASE`): one wrong answer, one right, one missing, 30 points. An attack on top
of it must end there. All of it is harmless where the sandbox fails: networks end at the loopback, bombs at a bound, and
signals are sent only by a process that cannot see the course.
"""

import base64
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import grading_course as toy
import nbformat

BASE = {"toy_relu": toy.WRONG["toy_relu"], "toy_affine": toy.RIGHT["toy_affine"]}
EARNED = 30
SECRET = "a-secret-of-the-teacher"
MINE = f"left-{os.getpid()}"  # the name of whatever an attack leaves behind


@dataclass(frozen=True)
class Attack:
    """`place(root, student)` hands it in; `safe` where stock nbgrader may run it, too."""

    name: str
    place: Callable[[Path, str], None]
    points: float = EARNED
    exact: bool = True
    safe: bool = False

    def fits(self, points: float) -> bool:
        """Whether these points are no more, and no less, than it should get."""
        return points == self.points if self.exact else points <= self.points


ATTACKS: list[Attack] = []


def attack(points: float = EARNED, *, exact: bool = True, safe: bool = False) -> Callable:
    """Registers a function `(root) -> notebook or bytes`, or `(root, folder) -> None` that writes by itself."""
    def register(make: Callable) -> Callable:
        def place(root: Path, student: str) -> None:
            if make.__code__.co_argcount == 2:
                folder = root / "submitted" / student / "01_toy"
                folder.mkdir(parents=True)
                make(root, folder)
            else:
                toy.submit(root, student, make(root))

        ATTACKS.append(Attack(make.__name__, place, points, exact, safe))
        return make

    return register


def cell_first(code: str) -> Callable[[Path], dict]:
    """A notebook whose first cell is the attack's."""
    def make(root: Path) -> dict:
        book = toy.notebook(root, BASE)
        book["cells"].insert(0, toy.code(_PRELUDE.format(root=str(root), mine=MINE) + code))
        return book

    return make


def in_answer(code: str) -> Callable[[Path], dict]:
    """A notebook that attacks from within the answer to toy_relu."""
    return lambda root: toy.notebook(root, {**BASE, "toy_relu": _PRELUDE.format(root=str(root), mine=MINE) + code})


_PRELUDE = """
import ctypes, os, sys, time
ROOT, MINE = {root!r}, {mine!r}
ctypes.CDLL(None).prctl(15, MINE.encode())  # its name, and that of all it forks
SEALED = not os.path.exists(ROOT)
STOP = time.time() + 60  # should nobody stop this
"""


def register(name: str, make: Callable[[Path], dict], **facts) -> None:
    make.__name__ = name
    attack(**facts)(make)


# --- the notebook's metadata ---------------------------------------------------------------------------------------

def _graded(book: dict) -> list[dict]:
    return [cell for cell in book["cells"] if cell["metadata"].get("nbgrader", {}).get("grade")]


@attack(safe=True)
def tag_skip_execution(root):
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        cell["metadata"]["tags"] = ["skip-execution"]
    return book


@attack(safe=True)
def every_tag_everywhere(root):
    book = toy.notebook(root, BASE)
    for cell in book["cells"]:
        cell["metadata"]["tags"] = ["skip-execution", "raises-exception", "demo", "nbval-skip", "remove-cell"]
    return book


@attack(safe=True)
def more_points(root):
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        cell["metadata"]["nbgrader"]["points"] = 1000
    return book


@attack(safe=True)
def graded_cells_made_solutions(root):
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        cell["metadata"]["nbgrader"].update(grade=True, solution=True, locked=False, checksum="0" * 32)
        cell["source"] = "1000"
    return book


@attack(safe=True)
def schema_of_the_future(root):
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        cell["metadata"]["nbgrader"]["schema_version"] = 99
    return book


@attack(safe=True)
def schema_of_the_past(root):
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        cell["metadata"]["nbgrader"]["schema_version"] = 1
    return book


@attack(safe=True)
def cell_ids_of_others(root):
    """Own cells that claim, by their ids, to be the graded ones."""
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        book["cells"].insert(0, {**toy.code("toy_average = lambda x: 0"), "id": cell["id"]})
    return book


@attack(safe=True)
def graded_cells_unmarked(root):
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        cell["metadata"]["nbgrader"].update(grade=False, locked=False)
    return book


@attack(safe=True)
def grade_ids_swapped(root):
    book = toy.notebook(root, BASE)
    one, other = (toy.solution(book, name)["metadata"]["nbgrader"] for name in ("toy_relu", "toy_affine"))
    one["grade_id"], other["grade_id"] = other["grade_id"], one["grade_id"]
    return book


@attack(safe=True)
def graded_ids_swapped(root):
    book = toy.notebook(root, BASE)
    one, other, _ = (cell["metadata"]["nbgrader"] for cell in _graded(book))
    one["grade_id"], other["grade_id"] = other["grade_id"], one["grade_id"]
    return book


@attack(safe=True)
def graded_cells_retyped(root):
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        cell["cell_type"] = "markdown"
        cell.pop("outputs"), cell.pop("execution_count")
    return book


@attack(safe=True)
def solution_retyped(root):
    book = toy.notebook(root, BASE)
    cell = toy.solution(book, "toy_affine")
    cell["cell_type"] = "raw"
    cell.pop("outputs"), cell.pop("execution_count")
    return book


@attack(safe=True)
def graded_cells_doubled(root):
    book = toy.notebook(root, BASE)
    book["cells"] += [json.loads(json.dumps(cell)) for cell in _graded(book)] * 3
    return book


@attack(safe=True)
def solution_doubled(root):
    book = toy.notebook(root, BASE)
    book["cells"].append(json.loads(json.dumps(toy.solution(book, "toy_affine"))))
    return book


@attack(safe=True)
def graded_cells_deleted(root):
    book = toy.notebook(root, BASE)
    book["cells"] = [cell for cell in book["cells"] if cell not in _graded(book)]
    return book


@attack(safe=True)
def solution_deleted(root):
    book = toy.notebook(root, BASE)
    book["cells"].remove(toy.solution(book, "toy_relu"))
    return book


@attack(safe=True)
def graded_source_changed(root):
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        cell["source"] = "100"
    return book


@attack(safe=True)
def kernel_of_another_language(root):
    book = toy.notebook(root, BASE)
    book["metadata"]["kernelspec"] = {"name": "bash", "display_name": "Bash", "language": "bash"}
    return book


@attack(safe=True)
def outputs_forged(root):
    book = toy.notebook(root, BASE)
    for cell in _graded(book):
        cell["outputs"] = [{"output_type": "execute_result", "data": {"text/plain": "40"}, "metadata": {},
                            "execution_count": 1}]
        cell["metadata"]["convcraft"] = {"points": 40}
    return book


@attack(safe=True)
def metadata_of_wrong_types(root):
    book = toy.notebook(root, BASE)
    book["cells"][0]["metadata"] = {"nbgrader": ["grade"], "tags": 7}
    book["cells"].insert(0, {"cell_type": 7, "source": {"a": 1}, "metadata": None})
    book["cells"].insert(0, "no cell at all")
    return book


# --- the Python that runs it ---------------------------------------------------------------------------------------

_IN_PROCESS = {
    "ast_transformer": """
import ast
class Strip(ast.NodeTransformer):
    def visit_Assert(self, node): return None
    def visit_Call(self, node):
        self.generic_visit(node)
        return ast.Constant(100) if getattr(node.func, "id", "") == "examine" else node
get_ipython().ast_transformers.append(Strip())""",
    "input_transformer": """
get_ipython().input_transformers_post.append(
    lambda lines: ["100"] if any("examine(" in line for line in lines) else lines)""",
    "run_cell_patched": """
ip = get_ipython(); real = ip.run_cell
ip.run_cell = lambda code, *a, **k: real("100" if "examine" in str(code) else code, *a, **k)
type(ip).run_cell_async = type(ip).run_cell_async""",
    "run_code_patched": """
ip = get_ipython()
async def run_code(*a, **k): return False
ip.run_code = run_code""",
    "showtraceback_patched": """
ip = get_ipython()
ip.showtraceback = ip._showtraceback = ip.showsyntaxerror = lambda *a, **k: None""",
    "displayhook_patched": """
hook = get_ipython().displayhook
type(hook).__call__ = lambda self, result=None: print(100)
sys.displayhook = lambda value: print(100)""",
    "examine_patched": """
import convcraft, convcraft.notebook
convcraft.examine = convcraft.notebook.examine = lambda *a: 100
examine = lambda *a: 100""",
    "examiner_patched": """
import convcraft.notebook
convcraft.notebook._examiner = lambda *a: 100""",
    "exam_patched": """
import convcraft.exam as e, convcraft.exam.compare as c, convcraft.exam.judge as j
for module in (e, c, j):
    for name in ("compare", "judge", "_outcome", "_compare"):
        setattr(module, name, lambda *a, **k: c.Comparison())""",
    "torch_equal_patched": """
import torch, numpy
torch.equal = torch.allclose = torch.isclose = lambda *a, **k: True
torch.testing.assert_close = lambda *a, **k: None
torch.Tensor.__eq__ = lambda *a: True
for name in dir(numpy.testing):
    if name.startswith("assert"): setattr(numpy.testing, name, lambda *a, **k: None)""",
    "builtins_patched": """
import builtins
builtins.abs = builtins.max = lambda *a, **k: 0
builtins.all = builtins.any = lambda *a: True""",
    "pre_run_cell_hook": """
def hook(info=None):
    get_ipython().user_ns["examine"] = lambda *a: 100
for event in ("pre_run_cell", "post_run_cell", "pre_execute", "post_execute"):
    get_ipython().events.register(event, hook)""",
    "import_hook": """
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("convcraft"): raise ImportError(name)
sys.meta_path.insert(0, Finder())""",
    "trace_function": """
def trace(frame, event, arg):
    if frame.f_code.co_name == "_outcome": frame.f_locals["record"] = None
    return trace
sys.settrace(trace)""",
    "atexit_prints_points": """
import atexit
atexit.register(lambda: print(100))""",
}
for _name, _code in _IN_PROCESS.items():
    register(_name, cell_first(_code), safe=True, exact=_name != "run_code_patched")

_ANSWERS = {
    "equal_to_everything": """
class Same:
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __eq__(self, other): return True
    def __bool__(self): return True
    def __float__(self): return 0.0
    def __len__(self): return 0
    def __getitem__(self, key): return self
toy_relu = lambda x: Same()""",
    "tensor_subclass": """
import torch
class Same(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True
toy_relu = lambda x: torch.zeros(x.shape).as_subclass(Same)""",
    "str_that_lies": """
class Text(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
toy_relu = lambda x: Text("right")""",
    "searches_frames": """
import torch
def toy_relu(x):
    frame = sys._getframe()
    while frame:
        for value in list(frame.f_locals.values()):
            if isinstance(value, torch.Tensor) and value.shape == x.shape and value is not x: return value
        frame = frame.f_back
    return x""",
    "searches_gc": """
import gc, torch
def toy_relu(x):
    for value in gc.get_objects():
        if type(value) is torch.Tensor and value.shape == x.shape and not torch.equal(value, x) and (value >= 0).all():
            return value
    return x""",
    "searches_gc_for_code": """
import gc
def toy_relu(x):
    known = {"takes_absolute_values", "shifts_first", "sums", "_affine", "_average"}
    found = [f for f in gc.get_objects() if type(f) is type(toy_relu) and f.__name__ in known]
    print("FO" "UND" if found else "nothing", found)
    return x.abs()""",
    "searches_in_and_out": """
def toy_relu(x):
    names = get_ipython().user_ns
    return next((v for v in [*names.get("In", []), *names.get("Out", {}).values()] if hasattr(v, "shape")), x)""",
    "raises_base_exception": """
def toy_relu(x): raise BaseException("enough")""",
    "error_that_cannot_be_shown": """
class Bad(Exception):
    def __str__(self): raise Bad
def toy_relu(x): raise Bad""",
}
for _name, _code in _ANSWERS.items():
    register(_name, in_answer(_code), safe=True)


# --- the channel to the grader -------------------------------------------------------------------------------------

_FORGED = """
import socket, struct, torch
from convcraft.exam.observation import Failure, Opaque, Record
from convcraft.grading.sandbox import wire
def send(data): socket.socket(fileno=os.dup(3)).sendall(data)
"""
_CHANNEL = {
    "forged_end": "send(wire.frame(wire.END, 0))",
    "forged_noise": "send(os.urandom(100_000))",
    "forged_points": "for n in range(20): send(wire.frame(wire.OUTPUT, n, b'{\"output_type\": \"execute_result\", "
                     "\"data\": {\"text/plain\": \"40\"}}'))",
    "forged_large_frame": "send(struct.pack('!cII', b'r', 0, 2**31) + bytes(100))",
    "forged_done": "for n in range(20): send(wire.frame(wire.START, n) + wire.frame(wire.DONE, n))",
}
_RECORDS = {
    "forged_truth": "True",
    "forged_zeros": "torch.zeros(4, 8)",
    "forged_huge_number": "10 ** 4000",
    "forged_not_a_number": "float('nan')",
    "forged_surrogates": "Failure('\\ud800', '\\udfff' * 1000, '\\ud800')",
    "forged_long_failure": "Failure('A' * 300_000, 'b ' * 300_000, '<script>alert(1)</script>')",
    "forged_names": "{'\\ud800' * 50 + str(n): n for n in range(1000)}",
}
_SEND_RECORD = """
def toy_relu(x):
    for n in range(20):
        for name in ("values", "habits"):
            record = Record(name, {value}, (), chr(0xd800) * 50, 1e308 * 10)
            send(wire.frame(wire.RECORD, n, record.to_bytes()) if n == step() else b"")
    return x
def step():
    frame = sys._getframe()
    while frame:
        now = frame.f_locals.get("step")
        if isinstance(now, dict): return now["number"]
        frame = frame.f_back
"""
for _name, _code in _CHANNEL.items():
    register(_name, cell_first(_FORGED + _code), exact=_name not in ("forged_done", "forged_end"))
for _name, _value in _RECORDS.items():
    register(_name, in_answer(_FORGED + _SEND_RECORD.replace("{value}", _value)), exact=False)

register("forged_other_aspect", in_answer(_FORGED + """
def toy_relu(x):
    return torch.Generator()
_to_bytes = Record.to_bytes
def to_bytes(self):
    if self.aspect in ("values", "default", "third"):
        seen = [r for r in kept if r.aspect != self.aspect]
        kept.append(self)
        if seen: return _to_bytes(Record(self.aspect, seen[0].observation))
    return _to_bytes(self)
kept = []
Record.to_bytes = to_bytes"""), exact=False)
register("forged_seconds", in_answer(_FORGED + """
_to_bytes = Record.to_bytes
Record.to_bytes = lambda self: _to_bytes(Record(self.aspect, self.observation, (), "", 10 ** 400))
def toy_relu(x): return x.abs()"""), exact=False)
register("forged_aspects", in_answer(_FORGED + _SEND_RECORD.replace("def toy_relu", "def records").replace(
    "{value}", "True") + """
def toy_relu(x):
    for n in range(300):
        send(wire.frame(wire.RECORD, step(), Record(f"none {n}", True, (), f"{n} " * 3_000).to_bytes()))
    return x.abs()"""))
register("forged_empty_record", in_answer(_FORGED + """
Record.to_bytes = lambda self: b"\\xff" * 100
def toy_relu(x): return x.relu()"""), exact=False)


# --- what it may see and touch -------------------------------------------------------------------------------------

_READ = f"""
found = []
for top in (ROOT, "/root", "/home", "/work", "/etc", os.path.expanduser("~"), "/proc/1", "/proc/self", "/tmp", "/var"):
    for folder, _, names in os.walk(top):
        for name in names[:200]:
            path = os.path.join(folder, name)
            if path.startswith(("/proc/1/task", "/proc/self/task")): continue
            try: data = open(path, "rb").read(100_000)
            except Exception: continue
            if b"def takes_absolute_values" in data or b"SQLite" in data[:20] or {SECRET.encode()!r} in data \\
               or name in ("exam_seed", "shadow", "passwd"):
                found.append(path)
found += [name for name in os.environ if {SECRET!r} in os.environ[name]]
print("FO" "UND" if found else "nothing", found)
"""
register("reads_everything", cell_first(_READ))
register("writes_everywhere", cell_first("""
wrote = []
for place in (ROOT, "/", "/usr", "/etc", "/home", "/opt", "/opt/convcraft", "/dev", "/proc/sys/kernel", sys.prefix,
              os.path.dirname(os.__file__), "/work", "/root", "/var/tmp"):
    try:
        open(os.path.join(place, MINE), "w").close()
        wrote.append(place)
    except OSError: pass
import tempfile
open(os.path.join(tempfile.gettempdir(), MINE), "w").close()
print("FO" "UND" if wrote else "nothing", wrote)"""))


def reaching(tcp: int, udp: int, dns: int, path: str, abstract: str) -> str:
    """Code that calls on listeners: three ports of the loopback, a socket's path, an abstract one's name."""
    return f"""
import socket, struct
reached = []
def attempt(kind, family, kind_of, address, data=b"hello"):
    try:
        with socket.socket(family, kind_of) as s:
            s.settimeout(1); s.connect(address)
            for _ in range(2): s.send(data)  # of a datagram, the second one says whether somebody was there
            reached.append(kind)
    except OSError: pass
name = b"".join(bytes([len(label)]) + label for label in (b"stolen", b"example", b""))
query = struct.pack("!6H", 0x4d1e, 0x0100, 1, 0, 0, 0) + name + struct.pack("!2H", 1, 1)  # one question: A, IN
attempt("TCP", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {tcp}))
attempt("UDP", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", {udp}))
attempt("DNS", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", {dns}), query)
attempt("Unix", socket.AF_UNIX, socket.SOCK_STREAM, {path!r})
attempt("abstract", socket.AF_UNIX, socket.SOCK_STREAM, {abstract!r})
print("FO" "UND" if reached else "nothing", reached)"""


def network(*listeners) -> None:
    """Registers the attack on the listeners that a test has opened."""
    register("network", cell_first(reaching(*listeners)))


# --- bringing it down ----------------------------------------------------------------------------------------------

_DOWN = {
    "os_exit": "os._exit(0)",
    "sys_exit": "sys.exit(0)",
    "os_abort": "os.abort()",
    "segfault": "import ctypes; ctypes.string_at(0)",
    "kills_itself": "import signal; os.kill(os.getpid(), signal.SIGKILL)",
    "stops_itself": "import signal; os.kill(os.getpid(), signal.SIGSTOP) if SEALED else None",
    "closes_descriptors": "os.closerange(0, 1000) if SEALED else None",
    "recursion": "sys.setrecursionlimit(10**9)\ndef f(): return f()\nf() if SEALED else None",
}
for _name, _code in _DOWN.items():
    register(_name, cell_first(_code), safe=_name in ("os_exit", "sys_exit", "os_abort", "segfault"))
for _name in ("os_exit", "sys_exit", "segfault"):
    register(f"{_name}_in_answer", in_answer(f"def toy_relu(x):\n    {_DOWN[_name]}"), safe=True)

_BOMBS = {
    "signals_to_all": """
import signal
for pid in [os.getppid(), 1, *map(int, filter(str.isdigit, os.listdir("/proc")))]:
    if SEALED and pid not in (0, os.getpid()):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try: os.kill(pid, number)
            except OSError: pass""",
    "fork_bomb": """
for n in range(200):
    try:
        if not os.fork(): time.sleep(20); os._exit(0)
    except OSError: break""",
    "thread_bomb": """
import threading
for n in range(200):
    try: threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
    except RuntimeError: break""",
    "memory_bomb": """
kept = []
for n in range(16): kept.append(bytearray(b"x") * 2**26)""",
    "memory_bomb_of_many": """
for n in range(4):
    if not os.fork():
        kept = bytearray(b"x") * (2**28); time.sleep(20); os._exit(0)
time.sleep(1)""",
    "memory_bomb_of_files": """
kept = []
for n in range(16):
    try:
        kept.append(os.memfd_create("x")); os.write(kept[-1], bytes(2**26))
    except OSError: break
print("FO" "UND" if len(kept) > 2 else "nothing", len(kept))""",
    "disk_bomb": """
for n in range(16):
    with open(f"/tmp/{MINE}-{n}" if SEALED else os.devnull, "wb") as file: file.write(bytes(2**26))""",
    "endless_loop": "while time.time() < STOP: pass",
    "endless_loop_unstoppable": """
while time.time() < STOP:
    try:
        while time.time() < STOP: pass
    except BaseException: pass""",
    "endless_loop_in_c": "import itertools; any(itertools.repeat(False, 3 * 10**9))",
    "sleeps": "time.sleep(60)",
    "ignores_signals": """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
signal.setitimer = lambda *a: None
while time.time() < STOP: pass""",
    "many_lines": "for n in range(300_000): print(n)",
    "gigabyte_of_output": "for n in range(1024): print('x' * 2**20)",
    "gigabyte_into_the_channel": """
if SEALED:
    for n in range(1024): os.write(3, b'x' * 2**20)""",
    "large_picture": """
from IPython.display import Image, display
display(Image(data=b"\\x89PNG\\r\\n\\x1a\\n" + os.urandom(50 * 2**20), format="png"))""",
    "html_and_javascript": """
from IPython.display import HTML, Javascript, display
display(HTML("<script>stolen()</script>"), Javascript("stolen()"))""",
    "left_behind": """
if not os.fork():
    os.setsid()
    if not os.fork():
        while time.time() < STOP: time.sleep(0.1)
    os._exit(0)""",
    "traces_its_first_process": """
for n in range(3):
    if not os.fork():
        ctypes.CDLL(None).ptrace(0x4206, 1, None, ctypes.c_void_p(0x40))  # PTRACE_SEIZE, PTRACE_O_TRACEEXIT
        while time.time() < STOP: time.sleep(0.1)
        os._exit(0)""",
    "spins_on_many_forks": """
for n in range(60):
    try:
        if not os.fork():
            os.setsid()
            until = time.time() + 10
            while time.time() < until: pass
            os._exit(0)
    except OSError: break""",
    "begets_forks_that_beget": """
def beget():
    until = time.time() + 5
    while time.time() < until:
        try:
            if os.fork(): os._exit(0)
        except OSError: os._exit(0)
if not os.fork(): beget()""",
    "trickle": """
import struct
if SEALED:
    os.write(3, struct.pack("!cII", b"o", 0, 60_000_000))
    for n in range(41):
        try:
            if not os.fork():
                while time.time() < STOP: os.write(3, b"x"); time.sleep(0.001)
                os._exit(0)
        except OSError: break
    while time.time() < STOP:
        try: time.sleep(1)
        except BaseException: pass""",
    "memory_bomb_of_sockets": """
import socket
for n in range(60):
    try:
        if os.fork(): continue
    except OSError: break
    kept = []
    try:
        while len(kept) < 2000:
            kept.append(socket.socketpair())
            for end in kept[-1]:
                end.setblocking(False)
                try:
                    while True: end.send(bytes(2**16))
                except BlockingIOError: pass
    except OSError: pass
    time.sleep(5); os._exit(0)
time.sleep(1)""",
    "nested_output": """
import socket, struct
for text in (b"[" * 100_000, b'{"a":' * 100_000, b'{"output_type":"error","ename":"a","evalue":"b","traceback":[' +
             b'"",' * 300_000 + b'""]}'):
    socket.socket(fileno=os.dup(3)).sendall(struct.pack("!cII", b"o", 0, len(text)) + text)""",
    "colours_and_turned_text": """
a = type("A", (), {}); a.a = a
""" + "a." * 20_000 + """a
print("\u202edlrow olleh", "\x1b[31mx\x1b[0m" * 200_000)""",
}
for _name, _code in _BOMBS.items():
    register(_name, cell_first(_code))


@attack()
def much_output_again_and_again(root):
    """Each of its cells shows as much as a notebook may, and brings the process down."""
    book = toy.notebook(root, BASE)
    book["cells"][:0] = [toy.code("""import json, os, socket, struct, sys
text = json.dumps({"output_type": "stream", "name": "stdout", "text": "x" * 3_900_000}).encode()
channel = socket.socket(fileno=os.dup(3))
step = sys._getframe()
while not isinstance(step.f_locals.get("step"), dict): step = step.f_back
channel.sendall(struct.pack("!cII", b"o", step.f_locals["step"]["number"], len(text)) + text)
os._exit(0)""")] * 6
    return book


register("endless_loop_in_answer", in_answer("def toy_relu(x):\n    while time.time() < STOP: pass"))
register("endless_loop_in_c_in_answer", in_answer(
    "import itertools\ndef toy_relu(x):\n    any(itertools.repeat(False, 3 * 10**9))"))
register("fork_in_answer", in_answer("def toy_relu(x):\n    os.fork()\n    return x.abs()"), exact=False)


# --- files that are no notebook ------------------------------------------------------------------------------------

@attack(0, safe=True)
def nothing_handed_in(root, folder):
    pass


@attack(0, safe=True)
def empty(root):
    return b""


@attack(0, safe=True)
def not_json(root):
    return b"\x89PNG no notebook"


@attack(0, safe=True)
def json_but_no_notebook(root):
    return b'[1, 2, {"cells": null}]'


@attack(0, safe=True)
def truncated(root):
    return json.dumps(toy.notebook(root, BASE)).encode()[:-200]


@attack(0, safe=True)
def not_utf8(root):
    return json.dumps(toy.notebook(root, BASE)).encode("utf-16")


@attack(safe=True)
def byte_order_mark(root):
    return b"\xef\xbb\xbf" + json.dumps(toy.notebook(root, BASE)).encode()


@attack(safe=True)
def surrogates(root):
    book = toy.notebook(root, BASE)
    book["cells"].append(toy.code("'\ud800'"))
    return book


@attack(safe=True)
def version_3(root):
    old = nbformat.convert(nbformat.from_dict(toy.notebook(root, BASE)), 3)
    return json.dumps(old).encode()


@attack(safe=True)
def sixty_megabytes(root):
    book = toy.notebook(root, BASE)
    picture = base64.b64encode(bytes(44 * 2**20)).decode()
    book["cells"][0]["attachments"] = {"a.png": {"image/png": picture}}
    return book


@attack(0)
def eighty_megabytes(root):
    return b" " * (80 * 2**20)


@attack(0)
def deeply_nested(root):
    return b'{"cells":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@attack(0)
def ten_million_parts(root):
    return b'{"cells": [' + b"{}," * 5_000_000 + b"{}]}"


@attack()
def hundred_thousand_cells(root):
    book = toy.notebook(root, BASE)
    book["cells"] += [toy.code("1")] * 20_000
    return book


@attack(0)
def a_folder(root, folder):
    (folder / "toy.ipynb").mkdir()


@attack(0)
def link_to_passwords(root, folder):
    (folder / "toy.ipynb").symlink_to("/etc/passwd")


@attack(0)
def link_to_gradebook(root, folder):
    (folder / "toy.ipynb").symlink_to(root / "gradebook.db")


@attack(0)
def link_to_a_neighbour(root, folder):
    (folder / "toy.ipynb").symlink_to(root / "submitted/honest-0/01_toy/toy.ipynb")


@attack(0)
def folder_is_a_link(root, folder):
    folder.rmdir()
    folder.symlink_to(root / "submitted/honest-0/01_toy")


@attack(0)
def a_pipe(root, folder):
    os.mkfifo(folder / "toy.ipynb")


@attack()
def timestamp_is_a_link(root, folder):
    (folder / "timestamp.txt").symlink_to("/etc/passwd")
    (folder / "toy.ipynb").write_text(json.dumps(toy.notebook(root, BASE)))


@attack(points=100)
def extra_notebook(root, folder):
    """Of two files the one with more answers counts: these are the student's own, too."""
    (folder / "toy.ipynb").write_text(json.dumps(toy.notebook(root, BASE)))
    (folder / "another.ipynb").write_text(json.dumps(toy.notebook(root, toy.RIGHT)))


def _renamed(file: str) -> Callable[[Path, Path], None]:
    def write(root, folder):
        (folder / file).write_text(json.dumps(toy.notebook(root, BASE)))

    return write


for _number, _file in enumerate(("my toy.ipynb", "toy\n.ipynb", "作业.ipynb", "..\\..\\toy.ipynb", "`rm` <b>$x.ipynb",
                                 "--help.ipynb", "é" * 100 + ".ipynb")):
    register(f"renamed_{_number}", _renamed(_file))
