"""Flip constants in the spine, one at a time, and demand that a test turns red.

    python tests/mutants.py [--count 40] [--seed 0] [--only mercer/engine]

Each mutant is a copy of the package in which one number or comparison is changed; the tests of its
folder run against the copy. A mutant that survives is printed and the exit status is 1.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPINE = ("engine", "operators", "linalg", "kernels")
FLIPS = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Add: ast.Sub,
         ast.Sub: ast.Add, ast.Mult: ast.Add}  # fmt: skip
# What changes speed or wording but no result, so no test should notice.
HARMLESS = ("planner.py", "TILE_BYTES", "WIDTH", "lru_cache", "explain", "why", "raise ", 'f"')


@dataclass(frozen=True)
class Mutant:
    """One changed place."""

    path: Path
    line: int
    index: int

    def __str__(self) -> str:
        text = (ROOT / self.path).read_text().splitlines()[self.line - 1].strip()
        return f"{self.path}:{self.line}: {text}"


class Mutator(ast.NodeTransformer):
    """Changes the place number ``index`` of a tree; with ``None`` it only counts them."""

    def __init__(self, index: int | None) -> None:
        self.index, self.lines = index, []

    def _here(self, node: ast.AST) -> bool:
        self.lines.append(node.lineno)
        return self.index == len(self.lines) - 1

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        number = isinstance(node.value, (int, float)) and not isinstance(node.value, bool)
        if number and self._here(node):
            return ast.copy_location(ast.Constant(node.value + 1), node)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if type(node.ops[0]) in FLIPS and self._here(node):
            node.ops[0] = FLIPS[type(node.ops[0])]()
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if type(node.op) in FLIPS and self._here(node):
            node.op = FLIPS[type(node.op)]()
        return node


def mutants(only: str) -> list[Mutant]:
    """All places of the spine that a test should notice."""
    found = []
    for folder in SPINE:
        for path in sorted((ROOT / "mercer" / folder).glob("*.py")):
            relative = path.relative_to(ROOT)
            if only not in str(relative) or any(word in path.name for word in HARMLESS):
                continue
            text = path.read_text()
            lines = text.splitlines()
            counter = Mutator(None)
            counter.visit(ast.parse(text))
            for index, line in enumerate(counter.lines):
                if not any(word in lines[line - 1] for word in HARMLESS):
                    found.append(Mutant(relative, line, index))
    return found


def survives(mutant: Mutant) -> bool:
    """Whether the tests of the folder still pass with the place changed."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("mercer", "tests"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", copy)
        tree = Mutator(mutant.index).visit(ast.parse((ROOT / mutant.path).read_text()))
        (copy / mutant.path).write_text(ast.unparse(ast.fix_missing_locations(tree)))
        tests = f"tests/{mutant.path.parts[1]}"
        run = [sys.executable, "-m", "pytest", "-x", "-q", tests]
        environment = os.environ | {"PYTHONPATH": folder, "OMP_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                run, cwd=folder, env=environment, capture_output=True, timeout=600, check=False
            )
        except subprocess.TimeoutExpired:
            return False  # an endless loop is noticed too
        if done.returncode not in (0, 1, 2):  # 2: the mutant cannot even be imported
            raise RuntimeError(f"pytest did not run the tests: {done.stdout.decode()[-500:]}")
        return done.returncode == 0


def main() -> int:
    """Sample mutants, report survivors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="mercer")
    args = parser.parse_args()
    every = mutants(args.only)
    chosen = random.Random(args.seed).sample(every, min(args.count, len(every)))
    survivors = 0
    for mutant in chosen:
        alive = survives(mutant)
        survivors += alive
        print("SURVIVED" if alive else "killed  ", mutant, flush=True)
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants killed, {len(every)} places in all")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
