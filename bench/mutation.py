"""How many mistakes do the exams catch? Every reference solution is mutated, and each mutant is examined.

    python bench/mutation.py                     every exercise; the table goes to bench/README.md
    python bench/mutation.py conv2d unfold       some exercises or chapters
    python bench/mutation.py --minutes 2         a sample of every third exercise, the same one on every run as far as
                                                 time allows
    python bench/mutation.py --shard 2/8         one of eight parts; what is known (kept.py) is not done again

A mutant that keeps all points has survived. It needs a better aspect, or a line in its exam that says why it is
equivalent: `conv2d.equivalent("before -> after", "reason")`. The exit status is 1 where a survivor is unexplained.
"""

import hashlib
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import kept
import libcst as cst
import libcst.matchers as m
import section
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from convcraft import examine
from convcraft.author.prove import namespace
from convcraft.author.source import Chapter, chapters
from convcraft.demo import cohort
from convcraft.exam.course import find
from convcraft.exam.sealed import seal

ROOT = Path(__file__).resolve().parents[1]
_SECONDS = 60  # for one mutant, all aspects
_MEMORY = 3 * 2**30
_EVERY = 3  # exercise is in a sample: sealing their exams takes most of the time

_BINARY = {cst.Add: cst.Subtract, cst.Subtract: cst.Add, cst.Multiply: cst.Divide, cst.Divide: cst.Multiply,
           cst.FloorDivide: cst.Divide, cst.Modulo: cst.Multiply, cst.Power: cst.Multiply,
           cst.MatrixMultiply: cst.Multiply, cst.BitAnd: cst.BitOr, cst.BitOr: cst.BitAnd}
_AUGMENTED = {cst.AddAssign: cst.SubtractAssign, cst.SubtractAssign: cst.AddAssign,
              cst.MultiplyAssign: cst.DivideAssign, cst.DivideAssign: cst.MultiplyAssign}
_COMPARISON = {cst.LessThan: cst.LessThanEqual, cst.LessThanEqual: cst.LessThan, cst.GreaterThan: cst.GreaterThanEqual,
               cst.GreaterThanEqual: cst.GreaterThan, cst.Equal: cst.NotEqual, cst.NotEqual: cst.Equal,
               cst.Is: cst.IsNot, cst.IsNot: cst.Is, cst.In: cst.NotIn, cst.NotIn: cst.In}
_NAMES = {"min": "max", "max": "min", "amin": "amax", "amax": "amin", "int": "float", "float": "int", "sum": "mean",
          "mean": "sum", "double": "float", "any": "all", "all": "any", "zeros": "ones", "ones": "zeros",
          "zeros_like": "ones_like", "ones_like": "zeros_like", "True": "False", "False": "True"}
_DEFAULTS = [cst.Integer("0"), cst.Integer("1")]  # in place of None: one is false, the other an argument that may fit
_IN_PLACE = {"add", "sub", "mul", "div", "clamp", "clamp_min", "relu", "neg", "exp", "sqrt", "abs", "masked_fill",
             "copy", "fill", "sigmoid", "tanh", "unsqueeze", "squeeze", "transpose"}
_CALLS_TO_REMOVE = {"clone", "detach", "contiguous", "copy_", "item", "flatten", "double"}


@dataclass(frozen=True)
class Mutant:
    """A changed solution; `change` is `before -> after`, the lines that differ."""

    exercise: str
    change: str
    source: str


class _Mutations(cst.CSTVisitor):
    """Collects (node, replacement), the code around it as context."""

    def __init__(self) -> None:
        self.found: list[tuple[cst.CSTNode, cst.CSTNode | cst.RemovalSentinel]] = []

    def _add(self, node: cst.CSTNode, *replacements) -> None:
        self.found += [(node, replacement) for replacement in replacements]

    def visit_Annotation(self, node: cst.Annotation) -> bool:
        return False

    def visit_Raise(self, node: cst.Raise) -> bool:
        return False  # the words of a message are nobody's exam

    def visit_BinaryOperation(self, node: cst.BinaryOperation) -> None:
        other = _BINARY.get(type(node.operator))
        if other is not None:
            self._add(node, node.with_changes(operator=other()))
        if isinstance(node.operator, cst.Divide):
            self._add(node, node.with_changes(operator=cst.FloorDivide()))

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        other = _AUGMENTED.get(type(node.operator))
        if other is not None:
            self._add(node, node.with_changes(operator=other()),
                      cst.Assign([cst.AssignTarget(node.target)], node.value))

    def visit_Assign(self, node: cst.Assign) -> None:
        match node:
            case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))],
                            value=cst.BinaryOperation(left=cst.Name(value=left), operator=operator, right=right)):
                augmented = {cst.Add: cst.AddAssign, cst.Subtract: cst.SubtractAssign,
                             cst.Multiply: cst.MultiplyAssign, cst.Divide: cst.DivideAssign}.get(type(operator))
                if name == left and augmented is not None:
                    self._add(node, cst.AugAssign(cst.Name(name), augmented(), right))

    def visit_UnaryOperation(self, node: cst.UnaryOperation) -> None:
        self._add(node, node.expression)

    def visit_ComparisonTarget(self, node: cst.ComparisonTarget) -> None:
        other = _COMPARISON.get(type(node.operator))
        if other is not None:
            self._add(node, node.with_changes(operator=other()))

    def visit_BooleanOperation(self, node: cst.BooleanOperation) -> None:
        self._add(node, node.with_changes(operator=cst.Or() if isinstance(node.operator, cst.And) else cst.And()))

    def visit_Integer(self, node: cst.Integer) -> None:
        number = int(node.value.replace("_", ""), 0)
        less = cst.Integer(str(number - 1)) if number else cst.parse_expression("(-1)")
        self._add(node, cst.Integer(str(number + 1)), less)

    def visit_Float(self, node: cst.Float) -> None:
        number = float(node.value)
        self._add(node, cst.Float(repr(number + 1)), cst.Float(repr(number * 2)) if number else cst.Float("0.5"))

    def visit_If(self, node: cst.If) -> None:
        self._negate(node)

    def visit_IfExp(self, node: cst.IfExp) -> None:
        self._negate(node)

    def visit_While(self, node: cst.While) -> None:
        self._negate(node)

    def visit_CompIf(self, node: cst.CompIf) -> None:
        self._negate(node)

    def _negate(self, node) -> None:
        test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        self._add(node, node.with_changes(
            test=cst.UnaryOperation(cst.Not(whitespace_after=cst.SimpleWhitespace(" ")), test)))

    def visit_SimpleStatementLine(self, node: cst.SimpleStatementLine) -> None:
        dropped = (cst.Expr, cst.Assign, cst.AugAssign, cst.Raise, cst.Return, cst.Del, cst.Assert, cst.Continue,
                   cst.Break)
        if len(node.body) == 1 and isinstance(node.body[0], dropped) and not _is_text(node.body[0]):
            self._add(node, node.with_changes(body=[cst.Pass()]))

    def visit_Call(self, node: cst.Call) -> None:
        plain = [index for index, arg in enumerate(node.args) if arg.keyword is None and not arg.star]
        for one, two in pairwise(plain):
            args = list(node.args)
            args[one], args[two] = (args[one].with_changes(value=args[two].value),
                                    args[two].with_changes(value=args[one].value))
            self._add(node, node.with_changes(args=args))
        for index, arg in enumerate(node.args):
            if arg.keyword is not None:
                args = [*node.args[:index], *node.args[index + 1:]]
                if args:
                    args[-1] = args[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
                self._add(node, node.with_changes(args=args))
        if isinstance(node.func, cst.Attribute):
            name = node.func.attr.value
            if name in _CALLS_TO_REMOVE:
                self._add(node, node.func.value)
            if name in _IN_PLACE and not m.matches(node.func.value, m.Name("torch") | m.Name("F")):
                self._add(node, node.with_changes(func=node.func.with_changes(attr=cst.Name(f"{name}_"))))

    def visit_Name(self, node: cst.Name) -> None:
        if node.value in _NAMES:
            self._add(node, cst.Name(_NAMES[node.value]))

    def visit_Param(self, node: cst.Param) -> None:
        if m.matches(node, m.Param(default=m.Name("None"))):
            self._add(node, *(node.with_changes(default=default) for default in _DEFAULTS))

    def visit_Decorator(self, node: cst.Decorator) -> bool:
        self._add(node, cst.RemoveFromParent())
        return False

    def visit_With(self, node: cst.With) -> None:
        self._add(node, cst.If(cst.Name("True"), node.body))  # the block without its context


def _is_text(statement: cst.BaseSmallStatement) -> bool:
    return isinstance(statement, cst.Expr) and isinstance(statement.value, (cst.SimpleString, cst.Ellipsis))


def mutants(exercise: str, source: str) -> list[Mutant]:
    """Every mutant of a solution cell, each different from the others and from the solution."""
    tree = cst.parse_module(source)
    visitor = _Mutations()
    tree.visit(visitor)
    found: dict[str, Mutant] = {}
    for node, replacement in visitor.found:
        if isinstance(replacement, cst.RemovalSentinel):
            changed = tree.visit(_Remover(node)).code
        else:
            changed = tree.deep_replace(node, replacement).code
        if changed != source:
            found.setdefault(changed, Mutant(exercise, _change(source, changed), changed))
    return list(found.values())


class _Remover(cst.CSTTransformer):
    def __init__(self, target: cst.CSTNode):
        self._target = target

    def on_leave(self, original_node, updated_node):
        if original_node is self._target:
            return cst.RemoveFromParent()
        return super().on_leave(original_node, updated_node)


def _change(before: str, after: str) -> str:
    """The lines that differ, as `before -> after`."""
    old, new = before.splitlines(), after.splitlines()
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return " -> ".join(" ; ".join(line.strip() for line in lines) for lines in (old, new))


def _examined(mutant: Mutant, names: dict[str, object]) -> None:
    """In a forked child: leave with 0 where the mutant keeps all points, with 1 where it does not."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (_size() + _MEMORY,) * 2)
    status = 1
    try:
        own = dict(names)
        exec(compile(mutant.source, "<mutant>", "exec"), own)
        if examine(mutant.exercise, own[mutant.exercise]) == find(mutant.exercise).points:
            status = 0
    finally:
        os._exit(status)


def _size() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _outcomes(queue: list[tuple[Mutant, dict]], workers: int, until: float) -> Iterator[tuple[Mutant, str]]:
    """Examine each mutant in a fork of its own: `killed`, `survived` or `timed out`."""
    running: dict[int, tuple[Mutant, float]] = {}
    waiting = list(reversed(queue))
    while waiting or running:
        while waiting and len(running) < workers and time.monotonic() < until:
            mutant, names = waiting.pop()
            pid = os.fork()
            if not pid:
                _examined(mutant, names)
            running[pid] = mutant, time.monotonic()
        if not running:
            return
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            mutant, _ = running.pop(pid)
            late = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)
            survived = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
            yield mutant, "timed out" if late else "survived" if survived else "killed"
            continue
        for child, (_, start) in running.items():
            if time.monotonic() - start > 2 * _SECONDS:
                os.kill(child, signal.SIGKILL)
        time.sleep(0.005)


@click.command()
@click.argument("names", nargs=-1, metavar="[EXERCISE|CHAPTER]...")
@click.option("--minutes", type=float, help="A sample, of every third exercise: stop after this time.")
@click.option("--workers", default=os.cpu_count(), show_default=True)
@click.option("--shard", type=kept.Shard(), default="1/1", show_default=True, help="The i-th of n parts alone.")
@click.option("--write", is_flag=True, help="Write the table to bench/README.md, where every mutant's fate is known.")
def main(names: tuple[str, ...], minutes: float | None, workers: int, shard: tuple[int, int], write: bool) -> None:
    """Mutate the reference solutions and examine the mutants."""
    os.environ["CONVCRAFT_SECONDS"] = "5"
    console = Console(highlight=False, soft_wrap=True)
    queue, equivalents, order, digests = [], {}, [], {}  # a sample is examined, not remembered: no digests
    with tempfile.TemporaryDirectory() as scratch:
        for chapter in chapters(ROOT):
            chosen = [name for name in chapter.exercises if not names or {name, chapter.name} & set(names)]
            chosen = chosen[::_EVERY] if minutes else chosen
            if not chosen:
                continue
            solutions = cohort.solutions(chapter)
            cells = namespace(chapter.notebook(), chapter.name)
            _seal_elsewhere(chapter, chosen, Path(scratch), workers)
            for name in chosen:
                equivalents[name] = chapter.exercises[name].equivalents
                order.append((chapter.name, name))
                digests[name] = "" if minutes else kept.exam_digest(chapter, name)
                queue += [(mutant, cells) for mutant in mutants(name, f"{solutions[name]}\n")]
        if not queue:
            raise click.ClickException(f"{ROOT / 'source'}: no exercise or chapter {' or '.join(names)}")
        os.environ["CONVCRAFT_EXAMS"] = scratch
        for _, name in order:
            find(name)
        if minutes:
            random.Random(0).shuffle(queue)
        start = time.monotonic()
        until = start + 60 * minutes if minutes else float("inf")
        known = None if minutes else kept.Kept("mutants")
        fates = {mutant: known.get(_key(mutant, digests)) for mutant, _ in queue} if known else {}
        todo = [job for job in kept.part(queue, shard) if not fates.get(job[0])]
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("mutants", total=len(todo))
            for mutant, outcome in _outcomes(todo, workers, until):
                fates[mutant] = outcome
                if known:
                    known.put(_key(mutant, digests), outcome)
                progress.advance(task)
    counts: dict[str, Counter] = {name: Counter() for _, name in order}
    survivors = []
    for mutant, outcome in fates.items():
        if outcome == "survived" and mutant.change in equivalents[mutant.exercise]:
            outcome = "equivalent"
        elif outcome == "survived":
            survivors.append(mutant)
        if outcome:
            counts[mutant.exercise][outcome] += 1
    table = _table(order, counts)
    console.print(table, markup=False)
    for mutant in survivors:
        console.print(f"[red]survived[/] {mutant.exercise}: {escape(mutant.change)}")
    seen = {(name, change) for name, listed in equivalents.items() for change in listed}
    made = {(mutant.exercise, mutant.change) for mutant, _ in queue}
    for name, change in sorted(seen - made):
        console.print(f"[yellow]listed as equivalent, but no mutant any more[/] {name}: {escape(change)}")
    done = sum(count.total() for count in counts.values())
    console.print(f"{done} of {len(queue)} mutants, {len(todo)} of them {'at most ' if minutes else ''}now, in "
                  f"{time.monotonic() - start:.0f} s")
    if write and not names and done == len(queue):
        section.write("mutation", [table])
    sys.exit(1 if survivors else 0)


def _key(mutant: Mutant, digests: dict[str, str]) -> str:
    """Changes whenever anything does that decides the mutant's fate."""
    return hashlib.sha256(f"{digests[mutant.exercise]}\0{mutant.source}".encode()).hexdigest()[:24]


def _seal_elsewhere(chapter: Chapter, names: list[str], folder: Path, workers: int) -> None:
    """Seal the exams in forks, `workers` at a time: what has run a backward pass cannot be forked again."""
    for begin in range(0, len(names), workers):
        running = {name: _sealing(chapter, name, folder) for name in names[begin:begin + workers]}
        for name, pid in running.items():
            if os.waitpid(pid, 0)[1]:
                raise click.ClickException(f"{chapter.exams / name}.py could not be sealed; "
                                           f"`convcraft prove {name}` says why")


def _sealing(chapter: Chapter, name: str, folder: Path) -> int:
    """The process that does it."""
    if pid := os.fork():
        return pid
    status = 1
    try:
        seal(chapter.exercises[name], folder)
        status = 0
    finally:
        os._exit(status)


def _table(order: list[tuple[str, str]], counts: dict[str, Counter]) -> str:
    lines = ["| exercise | mutants | killed | timed out | equivalent | survived | killed, of all |",
             "| --- | --: | --: | --: | --: | --: | --: |"]
    total: Counter = Counter()
    for chapter in dict.fromkeys(chapter for chapter, _ in order):
        whole: Counter = Counter()
        for name in (name for where, name in order if where == chapter):
            lines.append(_line(name, counts[name]))
            whole += counts[name]
        lines.append(_line(f"**{chapter}**", whole))
        total += whole
    return "\n".join([*lines, _line("**all**", total)])


def _line(name: str, count: Counter) -> str:
    whole = sum(count.values())
    share = f"{100 * (count['killed'] + count['timed out']) / whole:.1f} %" if whole else ""
    cells = [name, whole, count["killed"], count["timed out"], count["equivalent"], count["survived"], share]
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    import torch
    import torch._dynamo  # observing needs it; imported before the forks it is there in each at once

    torch.set_num_threads(1)
    main()
