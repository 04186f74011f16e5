"""Which string literals of a chapter's cells a reader is shown, and which are data.

What is printed, drawn, raised or displayed is shown. A literal on its way there is not told from data by looking at it
alone: "plain" names a curve in one cell and is looked up in the next. So a chapter is looked at as a whole. A literal
that a call outside of the chapter takes as an argument (`mode="bilinear"`, `photo("china")`, or a loop's variable that
goes there) is data wherever it stands, and so is a name: of a parameter, an attribute, a photograph. Else it is shown,
and translated alike wherever it stands, so that what belongs together stays together.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

Place = list[ast.AST]  # what a literal stands in, from the inside out

_DISPLAY = frozenset({
    "print", "set_title", "set_xlabel", "set_ylabel", "suptitle", "text", "annotate", "images", "legend", "display",
    "HTML", "Markdown", "fill", "set_xticks", "set_yticks", "set_xticklabels", "set_yticklabels"})
_LABELS = frozenset({"title", "titles", "label", "xlabel", "ylabel", "labels", "description"})
_HOLDERS = frozenset({"append", "extend", "zip", "dict", "list", "tuple", "enumerate", "sorted", "explore", "update",
                      "items", "values", "keys", "get", "len", "str"})
_OF_STRINGS = frozenset({"format", "join", "ljust", "rjust", "center", "replace", "split", "strip", "upper", "lower"})
_WORD = re.compile(r"[A-Za-z]{2,}")
_CODE = re.compile(r"[\w.\[\](),:/*+\-=@']*[_.\d(\[/=]+[\w.\[\](),:/*+\-=@']*[:,]?")  # x.grad, 5.weight, F.relu(x):
_PLACEHOLDER = re.compile(r"\{(?:[^{}]|\{[^{}]*\})*\}")


@dataclass
class Shown:
    """What a chapter's cells say about its literals. See `learn` and `takes`.

    Attributes:
        names: of parameters, attributes, functions: a literal that is one of them names that.
        data: what a call outside of the chapter takes.
        functions: that the chapter's cells define.
        collections: the dictionaries, lists and tuples that the cells give a name, by name.
    """

    names: set[str] = field(default_factory=set)
    data: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)
    collections: dict[str, ast.expr] = field(default_factory=dict)

    def takes(self, node: ast.expr, place: Place, text: str) -> bool:
        """Whether the literal `node`, which says `text`, is shown to a reader."""
        said = _PLACEHOLDER.sub("0", text).strip() if isinstance(node, ast.JoinedStr) else text.strip()
        if not _WORD.search(said) or _CODE.fullmatch(said):
            return False
        match self.stands(place):
            case "shown":
                return True
            case "loose":
                plain = re.sub("[-']", "", said)
                return text not in self.data | self.names and (" " in said or (plain.isalpha() and not said.isupper()))
        return False

    def stands(self, place: Place) -> str:
        """`shown`, `data`, or `loose`: in a dictionary, a list, a variable, where it may be either."""
        inner: ast.AST | None = None
        for at, node in enumerate(place):
            if isinstance(node, ast.keyword) and node.arg in _LABELS:
                return "shown"
            if isinstance(node, ast.keyword) and node.arg and not self._holds(place[at + 1]):
                return "data"
            if isinstance(node, ast.Call):
                name = _name(node.func)
                if name in _DISPLAY or isinstance(place[at + 1], ast.Raise):
                    return "shown"
                if inner is not node.func and name not in _OF_STRINGS:
                    return "loose" if self._holds(node) or name == "try_it" else "data"
            elif isinstance(node, (ast.Raise, ast.Assert)):
                return "shown"
            elif isinstance(node, (ast.Lambda, ast.stmt, ast.Subscript, ast.Compare)):
                return "loose"
            inner = node
        return "loose"

    def _holds(self, call: ast.AST) -> bool:
        return isinstance(call, ast.Call) and _name(call.func) in self.functions | _HOLDERS


def learn(trees: Iterable[ast.Module]) -> Shown:
    """What all cells of a chapter say about its literals."""
    trees, known = list(trees), Shown(names=set(_names_of_data()))
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            known.functions.add(node.name)
            known.names.add(node.name)
        elif isinstance(node, ast.Attribute):
            known.names.add(node.attr)
        elif isinstance(node, (ast.arg, ast.keyword)) and node.arg:
            known.names.add(node.arg)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            known.collections[node.targets[0].id] = node.value
    looked_up: set[str] = set()
    held: set[str] = set()
    for tree in trees:
        for node, place in literals(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                (known.data if known.stands(place) == "data" else
                 looked_up if _is_looked_up(place[0]) else held).add(node.value)
        known.data |= set(_by_loops(tree, known))
    known.data |= looked_up - held  # what is compared with something from outside
    return known


def literals(tree: ast.AST) -> Iterator[tuple[ast.expr, Place]]:
    """Every string of a cell that is no docstring, whole, with what it stands in."""
    yield from ((node, place) for node, place in _nodes(tree, []) if isinstance(node, ast.JoinedStr)
                or (isinstance(node, ast.Constant) and isinstance(node.value, str)))


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Every docstring in a cell."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node) is not None:
            first = node.body[0]
            assert isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            yield first.value


def _nodes(node: ast.AST, place: Place) -> Iterator[tuple[ast.expr, Place]]:
    """Every expression with what it stands in; docstrings and the inside of f-strings are left out."""
    if isinstance(node, ast.expr):
        yield node, place
    if isinstance(node, ast.JoinedStr):
        return
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.Expr) and isinstance(child, ast.Constant)):
            yield from _nodes(child, [node, *place])


def _is_looked_up(node: ast.AST) -> bool:
    return isinstance(node, ast.Compare) or (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load))


def _by_loops(tree: ast.Module, known: Shown) -> Iterator[str]:
    """The literals that a loop's variable takes to a call outside of the chapter."""
    for scope in ast.walk(tree):
        loops = [scope] if isinstance(scope, ast.For) else getattr(scope, "generators", [])
        given = {node.id for node, place in _nodes(scope, []) if isinstance(node, ast.Name)
                 and known.stands(place) == "data"} if loops else set()
        for loop in loops:
            several = loop.target.elts if isinstance(loop.target, ast.Tuple) else None
            for at, target in enumerate(several or [loop.target]):
                if isinstance(target, ast.Name) and target.id in given:
                    yield from (item.value for item in _items(loop.iter, at if several else None, known)
                                if isinstance(item, ast.Constant) and isinstance(item.value, str)
                                and " " not in item.value)  # several words are no library's


def _items(iterable: ast.expr, part: int | None, known: Shown) -> Iterator[ast.expr]:
    """What a loop over `iterable` gives its variable, or the one in place `part` of several."""
    if isinstance(iterable, ast.Name):
        iterable = known.collections.get(iterable.id, iterable)
    if isinstance(iterable, ast.Call):
        name = _name(iterable.func)
        if name == "items" and isinstance(iterable.func, ast.Attribute) and part is not None:
            found = iterable.func.value
            found = known.collections.get(found.id, found) if isinstance(found, ast.Name) else found
            if isinstance(found, ast.Dict):
                yield from (item for item in (found.keys if part == 0 else found.values) if item)
        elif name == "zip" and part is not None and part < len(iterable.args):
            yield from _items(iterable.args[part], None, known)
    elif isinstance(iterable, ast.Dict) and part is None:
        yield from (key for key in iterable.keys if key)
    elif isinstance(iterable, (ast.Tuple, ast.List)):
        for item in iterable.elts:
            if part is None:
                yield item
            elif isinstance(item, (ast.Tuple, ast.List)) and part < len(item.elts):
                yield item.elts[part]


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


@cache
def _names_of_data() -> frozenset[str]:
    """What the course's data are called: its photographs, matplotlib's maps of colours."""
    import matplotlib
    import skimage

    pictures = {path.stem for path in (Path(skimage.__file__).parent / "data").iterdir()}
    return frozenset(pictures | {"china", "flower"} | set(matplotlib.colormaps))
