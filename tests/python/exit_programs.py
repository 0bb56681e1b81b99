"""Programs whose ints leave 64 bits in random places: behind effects, in callees, in the middle of expressions.

`python tests/python/exit_programs.py FIRST COUNT` runs the programs of these seeds.
"""

import random
import signal
import sys
import warnings
from typing import Any

import numpy as np

from harness import NumliftFallbackWarning, check, define, jit, outcome

# `a` is an array of ints; effects are the stores to it. Each function ends: recursion counts `n` down.
VARIABLES = ("n", "k", "x", "y")


class Program:
    """One module: `g`, `h` and `f`, which calls them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.callees: list[str] = []
        self.own = ""
        self.loops = 0
        self.lines: list[str] = []

    def pick(self, *options: str) -> str:
        return self.random.choice(options)

    def expr(self, depth: int) -> str:
        r = self.random.random()
        if depth == 0 or r < 0.15:
            return self.pick("n", "k", "x", "y", "a[0]", "a[1]", "3", "2305843009213693953", "1000003")
        e = lambda: self.expr(depth - 1)  # noqa: E731
        if r < 0.40 and self.callees:
            return f"{self.random.choice(self.callees)}(a, {e()})"
        if r < 0.45 and self.own:
            return f"({self.own}(a, n - 1) if n > 0 else {e()})"
        if r < 0.75:
            return f"({e()} {self.pick('*', '*', '*', '+', '-')} {e()})"
        if r < 0.80:
            return f"({e()} % 1000003)"
        if r < 0.87:
            return f"({e()} if {self.test(depth - 1)} else {e()})"
        if r < 0.92:
            return f"({self.pick('x', 'y')} := {e()})"
        if r < 0.95:
            return f"a[{e()} % 4]"
        return f"abs({e()})"

    def test(self, depth: int) -> str:
        r = self.random.random()
        one = f"{self.expr(depth)} {self.pick('<', '>', '==', '<=')} {self.expr(depth)}"
        if r < 0.6:
            return one
        if r < 0.7:
            return f"{one} < {self.expr(depth)}"
        if r < 0.8:
            return f"not {one}"
        return f"({one} {self.pick('and', 'or')} {self.test(depth)})"

    def statement(self, indent: int, depth: int) -> None:
        pad = " " * indent
        r = self.random.random()
        value = self.expr(2)
        if r < 0.30:
            self.lines.append(f"{pad}{self.pick('x', 'y', 'k')} = {value}")
        elif r < 0.40:
            self.lines.append(f"{pad}{self.pick('x', 'y', 'a[2]', 'a[' + self.expr(1) + ' % 4]')} += {value}")
        elif r < 0.50:
            place = f"a[{self.expr(1)} % 4]"
            self.lines.append(f"{pad}{place} = {value} % 1000003")
        elif r < 0.58:
            target = self.pick("x, y", "y, a[x % 4]", f"a[{self.expr(1)} % 4], (k, x)", "k = x, *y2")
            values = f"{self.expr(1)}, {self.expr(1)}"
            if "(k" in target:
                values = f"{self.expr(1)} % 7, ({self.expr(1)}, {self.expr(1)})"
            if "y2" in target:
                target = "x, *y2"
            self.lines.append(f"{pad}{target} = {values}")
        elif depth == 0 or r < 0.64:
            self.lines.append(f"{pad}a[{self.random.randrange(4)}] += 1")
        elif r < 0.76:
            self.lines.append(f"{pad}if {self.test(1)}:")
            self.block(indent + 1, depth - 1)
            if self.random.random() < 0.5:
                self.lines.append(f"{pad}else:")
                self.block(indent + 1, depth - 1)
        elif r < 0.88:
            name = f"i{indent}"
            self.lines.append(f"{pad}for {name} in range({self.pick('3', '2', self.expr(1) + ' % 4')}):")
            self.loops += 1
            self.block(indent + 1, depth - 1)
            self.loops -= 1
            if self.random.random() < 0.3:
                self.lines.append(f"{pad} if {self.test(1)}:\n{pad}  {self.pick('break', 'continue')}")
        elif r < 0.95:
            self.protected(indent, depth)
        else:
            self.lines.append(f"{pad}k = 0\n{pad}while k < 3 and {self.test(1)}:")
            self.lines.append(f"{pad} k += 1" if self.random.random() < 0.9 else f"{pad} k = 3")
            self.block(indent + 1, 0)
            self.lines.append(f"{pad} k = k if 0 <= k <= 3 and k == k // 1 else 3")

    def protected(self, indent: int, depth: int) -> None:
        """A `try` statement, mostly with `finally`."""
        pad, last = " " * indent, self.random.random() < 0.8
        self.lines.append(f"{pad}try:")
        self.block(indent + 1, depth - 1)
        self.leave(indent + 1)
        if not last or self.random.random() < 0.4:
            kind = self.pick("ZeroDivisionError", "(IndexError, KeyError)", "LookupError")
            self.lines.append(f"{pad}except {kind}{self.pick('', ' as e')}:")
            self.block(indent + 1, 0)
            self.leave(indent + 1)
            if self.random.random() < 0.3:
                self.lines.append(f"{pad}else:")
                self.block(indent + 1, 0)
        if last:
            self.lines.append(f"{pad}finally:")
            self.block(indent + 1, depth - 1)
            if self.random.random() < 0.3:
                self.leave(indent + 1)

    def leave(self, indent: int) -> None:
        ways = ["raise KeyError(n)", "x = 1 // (n - n)", "x = a[7]", f"return {self.expr(1)}"]
        ways += ["break", "continue"] * self.loops
        if self.random.random() < 0.7:
            self.lines.append(f"{' ' * indent}if {self.test(1)}:\n{' ' * indent} {self.pick(*ways)}")

    def block(self, indent: int, depth: int) -> None:
        for _ in range(self.random.randrange(1, 4)):
            self.statement(indent, depth)

    def function(self, name: str, recursive: bool) -> None:
        self.own = name if recursive else ""
        self.lines.append(f"def {name}(a, n):\n k = 1\n x = n\n y = 2\n if n > 6 or n < 0:\n  n = n % 5")
        if self.random.random() < 0.6:
            self.lines.append(" a[0] += 1")
        self.block(1, 2)
        self.lines.append(f" return {self.pick('x', 'y', 'k', self.expr(2))}")
        self.callees.append(name)

    def source(self) -> str:
        self.function("g", False)
        self.function("h", self.random.random() < 0.3)
        self.function("f", False)
        return "\n".join(self.lines) + "\n"


ARGUMENTS = [(np.arange(4, dtype=dtype), n) for n in (0, 1, 3, 6) for dtype in ("i8", "f8")]


class _Slow(BaseException):
    """A program whose ints grow too large."""


def _too_slow(*_: object) -> None:
    raise _Slow


def is_slow(f: Any) -> bool:
    """Whether the interpreter needs more than two seconds."""
    signal.signal(signal.SIGALRM, _too_slow)
    signal.setitimer(signal.ITIMER_REAL, 2)
    try:
        for args in ARGUMENTS:
            outcome(f, args)
    except _Slow:
        return True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return False


def run(seed: int) -> str:
    """Compares one program on some arguments; the tier it ran in, or "slow" if it was left out."""
    source = Program(seed).source()
    f = define(source, "f")
    if is_slow(f):
        return "slow"
    g = jit(f)
    if seed % 3 == 0:
        for name in ("g", "h"):
            f.__globals__[name] = jit(f.__globals__[name])
    for args in ARGUMENTS:
        try:
            check(f, *args, compiled=g, tier=None)
        except AssertionError as e:
            raise AssertionError(f"seed {seed}, {args}\n{source}\n{e}") from e
    return str(g.tier(np.zeros(4), 1))


def main(first: int, count: int) -> int:
    tiers: dict[str, int] = {}
    failed = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NumliftFallbackWarning)
        for seed in range(first, first + count):
            try:
                tier = run(seed)
            except AssertionError as e:
                failed += 1
                print(e, file=sys.stderr, flush=True)
                continue
            tiers[tier] = tiers.get(tier, 0) + 1
    print(tiers, "failed:", failed)
    return failed


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])) > 0)
