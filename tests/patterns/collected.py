"""Every regular expression that stands in Python files, found by reading the files' syntax trees.

A pattern is the first argument of a function of `re`. Names that only a run could tell are replaced by the word
`x`. A pattern that cannot be computed even so is an error, so that no new one is forgotten.
"""

import ast
import builtins
import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FUNCTIONS = frozenset(
    {"compile", "match", "fullmatch", "search", "sub", "subn", "findall", "finditer", "split"}
)
_ANCHORED = frozenset({"match", "fullmatch"})


@dataclass(frozen=True, slots=True)
class Found:
    """One pattern. `anchored` says that it is only ever tried at the beginning of a text."""

    where: str
    pattern: re.Pattern[str]
    anchored: bool


def files_with_patterns(root: Path, packages: tuple[str, ...]) -> Iterator[Path]:
    """Yield the modules of `packages` that may have patterns. `root` is where the packages lie."""
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            if path.parent != Path(__file__).parent and "import re" in path.read_text(encoding="utf-8"):
                yield path


def patterns_in(root: Path, path: Path) -> Iterator[Found]:
    """Yield the patterns of the module at `path`, which lies below `root` and can be imported."""
    return _patterns_of(path.relative_to(root), ast.parse(path.read_text(encoding="utf-8")))


def _patterns_of(path: Path, tree: ast.Module) -> Iterator[Found]:
    nodes = list(ast.walk(tree))
    uses = _uses_by_name(nodes)
    targets = {id(node.value): _names(node) for node in nodes if isinstance(node, ast.Assign)}
    names = _globals_of(path, nodes)
    for call in nodes:
        if not (isinstance(call, ast.Call) and _is_of_re(call) and call.args):
            continue
        assert isinstance(call.func, ast.Attribute)
        source = _evaluated(call.args[0], names)
        pattern: re.Pattern[Any] = re.compile(source, _flags(call, names))
        if call.func.attr == "compile":
            used = {use for name in targets.get(id(call), ()) for use in uses.get(name, ())}
            anchored = bool(used) and used <= _ANCHORED
        else:
            anchored = call.func.attr in _ANCHORED
        if isinstance(pattern.pattern, str):
            yield Found(f"{path}:{call.lineno}", pattern, anchored)


def _flags(call: ast.Call, names: Mapping[str, object]) -> int:
    assert isinstance(call.func, ast.Attribute)
    told = [each.value for each in call.keywords if each.arg == "flags"]
    place = {"compile": 1, "sub": 4, "subn": 4, "split": 3}.get(call.func.attr, 2)
    told += call.args[place : place + 1]
    return int(_evaluated(told[0], names)) if told else 0


def _is_of_re(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in _FUNCTIONS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "re"
    )


def _names(node: ast.Assign) -> list[str]:
    return [each.id if isinstance(each, ast.Name) else getattr(each, "attr", "") for each in node.targets]


def _uses_by_name(nodes: Sequence[ast.AST]) -> Mapping[str, set[str]]:
    """How each name's methods are used; a `match` at a place that is told is one of many, as in a search."""
    uses: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            uses.setdefault(node.value.id, set()).add(node.attr)
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and len(node.args) > 1
        ):
            uses.setdefault(node.func.value.id, set()).add("search")
    return uses


def _globals_of(path: Path, nodes: Sequence[ast.AST]) -> dict[str, object]:
    """Return the names of the module, imported if needed: importing does nothing else in this project."""
    if any(_is_of_re(node) and not _is_constant(node) for node in nodes):
        module = importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
        return dict(vars(module))
    return {"re": re}


def _is_constant(node: ast.AST) -> bool:
    assert isinstance(node, ast.Call)
    return all(isinstance(each, ast.Constant) for each in node.args[:1])


def _evaluated(node: ast.expr, names: Mapping[str, object]) -> Any:
    told = ast.fix_missing_locations(ast.Expression(_Told(names).visit(node)))
    return eval(compile(told, "<pattern>", "eval"), dict(names))  # our own source


class _Told(ast.NodeTransformer):
    """Replaces what only a run could tell by `x`."""

    def __init__(self, names: Mapping[str, object]) -> None:
        self._names = names

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.expr:
        node.value = self.visit(node.value)
        return node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return node if self._known(node) else ast.Constant("x")

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        return node if self._known(node) else ast.Constant("x")

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if not self._known(node.func):
            return ast.Constant("x")
        self.generic_visit(node)
        return node

    def _known(self, node: ast.expr) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and (node.id in self._names or hasattr(builtins, node.id))
