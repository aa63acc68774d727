"""Finds circles among the modules of the core: no module may need itself, on whatever way.

A module is a file. It needs another where it names it in a ``use`` declaration or in a path. A name that a ``mod.rs``
passes on from one of its files (``pub use``) counts as that file's, and passing on alone is no need. Tests are left
out: they may look at everything.

    python tools/rust_circles.py [rust/src]

Ends with 1 and names every circle.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

Module = tuple[str, ...]

_COMMENT = re.compile(r"//.*")
_STRING = re.compile(r'b?"(?:[^"\\]|\\.)*"', re.DOTALL)
_USE = re.compile(r"^[ \t]*(pub(?:\([^)]*\))?[ \t]+)?use[ \t\n]+([^;]+);", re.MULTILINE)
_PATH = re.compile(r"\b(?:crate|super|self)(?:::\w+)+")
_TESTS = re.compile(r"#\[cfg\(test\)\].*", re.DOTALL)


class Source:
    """One module: what it names, and what it passes on."""

    def __init__(self, module: Module, text: str) -> None:
        self.module = module
        self.passed_on: dict[str, Module] = {}
        self.named: list[Module] = []
        text = _TESTS.sub("", _STRING.sub('""', _COMMENT.sub("", text)))
        for declaration in _USE.finditer(text):
            for path, name in _leaves(declaration[2]):
                if declaration[1]:
                    self.passed_on[name] = path
                else:
                    self.named.append(path)
        self.code = _USE.sub("", text)
        self.named += [tuple(found.split("::")) for found in _PATH.findall(self.code)]


def _leaves(tree: str, before: Module = ()) -> Iterator[tuple[Module, str]]:
    """The paths of a ``use`` tree, each with the name that it gets."""
    tree = tree.strip()
    if not tree:
        return
    head, brace, _ = tree.partition("{")
    if brace:
        prefix = before + tuple(part for part in head.strip().split("::") if part)
        for branch in _branches(tree[len(head) + 1 : tree.rindex("}")]):
            yield from _leaves(branch, prefix)
        return
    path, _, alias = tree.partition(" as ")
    parts = before + tuple(path.strip().split("::"))
    parts = parts[:-1] if parts[-1] == "self" and len(parts) > 1 else parts
    yield parts, (alias.strip() or parts[-1])


def _branches(inside: str) -> Iterator[str]:
    depth = start = 0
    for at, character in enumerate(inside):
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            yield inside[start:at]
            start = at + 1
    yield inside[start:]


def read_modules(folder: Path) -> dict[Module, Source]:
    """Every module below a folder of sources; the crate itself is ``()``."""
    found: dict[Module, Source] = {}
    for path in sorted(folder.rglob("*.rs")):
        if path.name == "tests.rs":
            continue
        parts = path.relative_to(folder).with_suffix("").parts
        module = parts[:-1] if parts[-1] in ("mod", "lib") else parts
        found[module] = Source(module, path.read_text(encoding="utf-8"))
    return found


def _absolute(path: Module, start: Module, modules: dict[Module, Source]) -> Module | None:
    """A path from the crate's root; ``None`` for one that leads out of the crate."""
    here, rest = start, list(path)
    if rest[0] == "crate":
        here = ()
    elif rest[0] == "super":
        while rest[:2] == ["super", "super"]:
            here, rest = here[:-1], rest[1:]
        here = here[:-1]
    elif rest[0] != "self":
        return (*start, *rest) if (*start, rest[0]) in modules else None
    return (*here, *rest[1:])


def _owner(path: Module, modules: dict[Module, Source]) -> Module:
    """The module that a path ends in, where names that are passed on are followed to where they come from."""
    module: Module = ()
    for at, part in enumerate(path):
        if (*module, part) in modules:
            module = (*module, part)
            continue
        passed_on = modules[module].passed_on.get(part)
        target = _absolute(passed_on, module, modules) if passed_on else None
        return _owner((*target, *path[at + 1 :]), modules) if target else module
    return module


def needs(modules: dict[Module, Source]) -> dict[Module, set[Module]]:
    """What each module needs."""
    arrows: dict[Module, set[Module]] = {}
    for module, source in modules.items():
        children = (other[-1] for other in modules if other and other[:-1] == module)
        named = source.named + [(child,) for child in children if re.search(rf"(?<![:\w]){child}::\w", source.code)]
        paths = (_absolute(path, module, modules) for path in named)
        arrows[module] = {_owner(path, modules) for path in paths if path is not None} - {module}
    return arrows


def circles(arrows: dict[Module, set[Module]]) -> list[list[Module]]:
    """The groups of modules that need each other (Tarjan's strongly connected components)."""
    order: dict[Module, int] = {}
    low: dict[Module, int] = {}
    stack: list[Module] = []
    found: list[list[Module]] = []

    def visit(module: Module) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for target in sorted(arrows[module]):
            if target not in order:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], order[target])
        if low[module] == order[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for module in sorted(arrows):
        if module not in order:
            visit(module)
    return found


def main(arguments: list[str]) -> int:
    """Looks for circles; the exit code."""
    folder = Path(arguments[0]) if arguments else Path("rust/src")
    arrows = needs(read_modules(folder))
    found = circles(arrows)
    for circle in found:
        print("a circle of modules:", ", ".join("::".join(module) or "crate" for module in circle), file=sys.stderr)
        for module in circle:
            for target in sorted(arrows[module] & set(circle)):
                print(f"    {'::'.join(module)} needs {'::'.join(target)}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
