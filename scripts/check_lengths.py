"""Fails when a module reaches 400 lines or a function 60: past that, neither is read any more."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("psdstudio", "tests", "scripts")
MAX_MODULE_LINES = 399
MAX_FUNCTION_LINES = 59


def too_long(path: Path) -> Iterator[str]:
    """One sentence for each limit that the file breaks."""
    source = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    lines = len(source.splitlines())
    if lines > MAX_MODULE_LINES:
        yield f"{name}: {lines} lines, at most {MAX_MODULE_LINES}"
    for node in ast.walk(ast.parse(source, filename=str(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {length} lines, at most {MAX_FUNCTION_LINES}"


def modules() -> Iterator[Path]:
    """Every Python file of the project; node_modules holds other people's."""
    for folder in FOLDERS:
        yield from (p for p in sorted((ROOT / folder).rglob("*.py")) if "node_modules" not in p.parts)


def main() -> int:
    """Print what is too long; returns the exit code."""
    complaints = [line for path in modules() for line in too_long(path)]
    print("\n".join(complaints) if complaints else "lengths: ok")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
