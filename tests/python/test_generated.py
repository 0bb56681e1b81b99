"""Random programs of scalars, loops and arrays: compiled and interpreted outcomes are the same.

`HYPOTHESIS_PROFILE=search NUMLIFT_EXAMPLES=20000` looks for new ones; the suite runs a fixed set.
"""

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st

from harness import check, define, jit

EXAMPLES = int(os.environ.get("NUMLIFT_EXAMPLES", "400"))

INTS = [0, 1, -1, 2, 3, 7, -5, 10, 100, 255, 300, 2**31, -(2**31), 2**53 + 1, 2**62, -(2**63), 2**63 - 1]
FLOATS = [0.0, -0.0, 0.5, 1.0, -1.5, 2.0, 3.25, 1e10, 1e300, -1e-300, float("inf"), float("nan")]

values = st.one_of(
    st.sampled_from(INTS),
    st.integers(-20, 20),
    st.sampled_from(FLOATS),
    st.booleans(),
    st.sampled_from([np.int8(-3), np.uint8(200), np.int32(5), np.int64(-9), np.uint64(7), np.int64(2**62)]),
    st.sampled_from([np.float32(1.5), np.float64(2.5), np.float64(0.0), np.float32(-0.0), np.True_]),
)

arrays = st.builds(
    lambda dtype, n, reverse: np.arange(1, n + 1).astype(dtype)[:: -1 if reverse else 1],
    st.sampled_from(["i8", "f8", "f4", "i4", "u1"]),
    st.integers(0, 6),
    st.booleans(),
)


@dataclass
class Scope:
    """What the program being generated may name."""

    draw: Any
    names: list[str]
    arrays: list[str]
    depth: int = 0
    loops: int = 0
    counter: int = 0
    lines: list[str] = field(default_factory=list)

    def pick(self, options: list[str]) -> str:
        return self.draw(st.sampled_from(options))

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == 1

    def constant(self) -> str:
        if self.chance(3):
            return self.pick(["0.0", "0.5", "-1.5", "2.0", "1e3", "-0.0"])
        return self.pick(["0", "1", "2", "3", "-1", "7", "10", "255", "1000003", "True"])

    def atom(self) -> str:
        if self.names and not self.chance(4):
            return self.pick(self.names)
        return self.constant()

    def expression(self, depth: int = 3) -> str:
        if depth == 0 or self.chance(4):
            return self.atom()
        kind = self.draw(st.integers(0, 15))
        a = self.expression(depth - 1)
        if kind < 7:
            operator = self.pick(["+", "-", "*", "+", "-", "*", "/", "//", "%"])
            return f"({a} {operator} {self.expression(depth - 1)})"
        if kind == 7:
            return f"(int({a}) {self.pick(['&', '|', '^'])} int({self.expression(depth - 1)}))"
        if kind == 8:
            return f"({a} {self.pick(['**'])} {self.pick(['2', '3', '0', '-1', '0.5', '1'])})"
        if kind == 9:
            return f"(int({a}) {self.pick(['<<', '>>'])} {self.pick(['0', '1', '3', '31', '63'])})"
        if kind == 10:
            return f"({a} if {self.condition(depth - 1)} else {self.expression(depth - 1)})"
        if kind == 11:
            return f"({a} {self.pick(['and', 'or'])} {self.expression(depth - 1)})"
        if kind == 12:
            return f"{self.pick(['abs', 'float', 'int', 'bool', '-', '+', 'not '])}({a})".join("()")
        if kind == 13:
            return f"{self.pick(['min', 'max'])}({a}, {self.expression(depth - 1)})"
        if kind == 14 and self.arrays:
            array = self.pick(self.arrays)
            return self.pick([f"{array}[{self.index()}]", f"len({array})", f"{array}.shape[0]"])
        return self.pick(
            [f"math.floor({a})", f"math.sqrt(abs({a}))", f"np.float32({a})", f"np.int64(int({a}) % 1000)"]
        )

    def index(self) -> str:
        return self.pick(["0", "-1", "1", "2", "5"] + [n for n in self.names if n.startswith("i")])

    def condition(self, depth: int = 2) -> str:
        a, b = self.expression(max(depth - 1, 0)), self.expression(max(depth - 1, 0))
        operator = self.pick(["<", "<=", "==", "!=", ">", ">="])
        if self.chance(5):
            return f"{a} {operator} {b} {self.pick(['<', '>='])} {self.atom()}"
        if self.chance(5):
            return f"not ({a} {operator} {b})"
        return f"{a} {operator} {b}"

    def emit(self, text: str) -> None:
        self.lines.append("    " * (self.depth + 1) + text)

    def block(self, size: int) -> None:
        self.depth += 1
        # What a block binds may be unbound after it; the names stay usable, so that this is tested.
        for _ in range(self.draw(st.integers(1, size))):
            self.statement()
        self.depth -= 1

    def target(self) -> str:
        if self.chance(3) and self.counter < 6:
            self.counter += 1
            return f"v{self.counter}"
        assignable = [n for n in self.names if not n.startswith("i")]
        return self.pick(assignable) if assignable else "v0"

    def bind(self, name: str) -> None:
        if name not in self.names:
            self.names.append(name)

    def statement(self) -> None:
        kind = self.draw(st.integers(0, 11))
        if kind <= 3 or self.depth >= 3:
            text, name = self.expression(), self.target()
            self.emit(f"{name} = {text}")
            self.bind(name)
        elif kind <= 5:
            name = self.target()
            if name in self.names:
                self.emit(f"{name} {self.pick(['+=', '-=', '*=', '//=', '%=', '/='])} {self.expression(2)}")
            else:
                self.emit(f"{name} = {self.expression(2)}")
                self.bind(name)
        elif kind == 6:
            self.emit(f"if {self.condition()}:")
            self.block(2)
            if self.chance(2):
                self.emit("else:")
                self.block(2)
        elif kind <= 8 and self.loops < 3:
            self.loops += 1
            name = f"i{self.loops}"
            stop = self.pick(["3", "4", "0", "-2", "5"])
            arguments = self.pick([stop, f"1, {stop}", f"{stop}, 0, -1", f"0, {stop}, 2"])
            self.emit(f"for {name} in range({arguments}):")
            self.bind(name)
            self.block(3)
            if self.chance(4):
                self.depth += 1
                self.emit(f"if {self.condition(1)}:")
                self.depth += 1
                self.emit(self.pick(["break", "continue"]))
                self.depth -= 2
            if self.chance(5):
                self.emit("else:")
                self.block(1)
        elif kind == 9 and self.arrays:
            array = self.pick(self.arrays)
            self.emit(f"{array}[{self.index()}] {self.pick(['=', '+=', '*='])} {self.expression(1)}")
        elif kind == 10:
            a, b = self.target(), self.target()
            self.emit(f"{a}, {b} = {self.expression(2)}, {self.expression(2)}")
            self.bind(a)
            self.bind(b)
        else:
            self.emit(f"if {self.condition(1)}:")
            self.emit(f"    return {self.expression(2)}, {self.atom()}")


@st.composite
def programs(draw: Any, with_array: bool) -> str:
    parameters = ["x", "y"] + (["a"] if with_array else [])
    scope = Scope(draw, ["x", "y"], ["a"] if with_array else [])
    for _ in range(draw(st.integers(2, 6))):
        scope.statement()
    results = ", ".join(draw(st.lists(st.sampled_from(scope.names), min_size=1, max_size=4, unique=True)))
    scope.emit(f"return {results},")
    return f"def f({', '.join(parameters)}):\n" + "\n".join(scope.lines) + "\n"


@settings(max_examples=EXAMPLES)
@given(programs(with_array=False), st.lists(st.tuples(values, values), min_size=1, max_size=4))
def test_scalar_programs(source: str, cases: list[tuple[Any, Any]]) -> None:
    note(source)
    function = define(source)
    compiled = jit(function)
    for case in cases:
        note(repr(case))
        check(function, *case, compiled=compiled, tier=None)


@settings(max_examples=EXAMPLES)
@given(programs(with_array=True), st.lists(st.tuples(values, values, arrays), min_size=1, max_size=3))
def test_array_programs(source: str, cases: list[tuple[Any, Any, np.ndarray]]) -> None:
    note(source)
    function = define(source)
    compiled = jit(function)
    for case in cases:
        note(repr(case))
        check(function, *case, compiled=compiled, tier=None)


CHAINS = st.lists(
    st.tuples(
        st.sampled_from(["+", "-", "*", "//", "%", "/"]),
        st.one_of(st.integers(-9, 9), st.sampled_from(FLOATS[:8])),
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=EXAMPLES)
@given(CHAINS, values)
def test_chains_of_operators(chain: list[tuple[str, Any]], value: Any) -> None:
    body = "".join(f"    x = x {operator} {constant!r}\n" for operator, constant in chain)
    check(define(f"def f(x):\n{body}    return x\n"), value, tier=None)
