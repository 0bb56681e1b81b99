"""Random functions that mix native loops with what the interpreter runs.

`python tests/python/island_programs.py [PROGRAMS] [SEED] [FILE]` prints the programs whose compiled and interpreted runs
differ, and keeps the one it runs in FILE; `test_island_programs.py` runs a sample.

Types of globals and descriptors of arrays stay what they are: those exits are not exact everywhere (docs/differences.md).
"""

import faulthandler
import random
import sys
import warnings
from pathlib import Path

from island_runs import PRELUDE, calls, differences

PARAMETERS = ["n", "x", "a", "b", "d", "l", "o", "s", "q"]


class Scope:
    """What the program being generated may name."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.ints = ["n"]
        self.floats = ["x"]
        self.objects: list[str] = []
        self.depth = self.loops = self.size = self.names = 0
        self.lines: list[str] = []
        self.declared = ""
        self.large = self.chance(3)
        self.sure: list[str] = []

    def pick(self, options: list[str]) -> str:
        return self.rng.choice(options)

    def chance(self, one_in: int) -> bool:
        return self.rng.randrange(one_in) == 0

    def emit(self, text: str) -> None:
        for line in text.split("\n"):
            self.lines.append("    " * (self.depth + 2) + line)

    # -- expressions ------------------------------------------------------------------------------

    def int(self, depth: int = 1) -> str:
        if depth == 0 or self.chance(3):
            return self.pick([*self.ints, *self.ints, "1", "2", "3", "0", "-1", "G", "c"])
        a, b = self.int(depth - 1), self.int(depth - 1)
        return self.pick(
            [
                f"({a} + {b}) % 19",
                f"({a} - {b}) % 7",
                f"({a} * 3 + {b}) % 11",
                f"{a} // ({b} or 2) % 5",
                f"int(b[{self.index()}])",
                "len(a)",
                f"{a} % {b}",
                *([f"{a} * 4000000007", f"({a} + 3) ** 21"] if self.large else []),
                f"({a} if {self.test()} else {b})",
            ]
        )

    def float(self, depth: int = 2) -> str:
        if depth == 0 or self.chance(4):
            return self.pick([*self.floats, *self.floats, "0.5", "2.0", "H", "k", *self.ints])
        a, b = self.float(depth - 1), self.float(depth - 1)
        return self.pick(
            [
                f"({a} + {b})",
                f"({a} - {b})",
                f"({a} * 0.5)",
                f"a[{self.index()}]",
                f"a[{self.index()}]",
                f"({a} / {b})",
                f"abs({a})",
                f"float(b[{self.index()}])",
                f"min({a}, {b})",
            ]
        )

    def index(self) -> str:
        if self.chance(12):
            return self.pick(["7", "-9", self.int(0)])
        return self.pick(["0", "1", "-1", "2", *[i + " % 3" for i in self.ints]])

    def test(self) -> str:
        return self.pick(
            [
                f"{self.int(0)} > {self.int(0)}",
                f"{self.float(1)} < {self.float(0)}",
                f"{self.int(0)} % 2 == {self.int(0)}",
                f"{self.int(0)} == 1",
            ]
        )

    def number(self) -> str:
        return self.float() if self.chance(2) else self.int()

    def object(self, depth: int = 1) -> str:
        if self.objects and self.chance(3):
            return self.pick(self.objects)
        n, m = self.number(), self.number()
        inner = self.object(depth - 1) if depth else n
        return self.pick(
            [
                "d",
                "l",
                "o",
                "s",
                "q",
                "d['p']",
                f"d.get({n!s}, {m})",
                f"d['missing' if {self.test()} else 'p']",
                f"l[{self.int(0)}]",
                "o.v",
                f"o.bump({n})",
                f"[{n}, {inner}]",
                f"{{'k': {inner}, {self.int(0)}: {m}}}",
                f"{{{self.int(0)}, {self.int(0)}}}",
                f"f'{{{self.pick(self.ints + self.floats)}}}-{{s}}'",
                f"s + str({n})",
                "s.upper()",
                f"note({n}, {inner})",
                f"change({self.int(0)})",
                f"bump({self.int(0)})",
                f"fill(a, {self.index()}, {n})",
                f"scaled(a, {n}, {inner})",
                f"[z + {n} for z in b]",
                f"sum(z for z in count({self.int(0)}))" if self.chance(3) else f"list(count({self.int(0)}))",
                f"{{z: {n} for z in 'ab'}}",
                f"(lambda z: note('lambda', z, {n}))({m})" if self.chance(4) else "sorted(l, key=str)",
                f"({n}, {inner})",
                f"fails({self.pick(['Custom', 'KeyError', 'ValueError'])}, 'f')"
                if self.chance(4)
                else "None",
                f"[{n}, *b]",
                f"note(*l, {n})",
                f"({inner} if {self.condition()} else {n})",
                f"a[{self.index()}:].tolist()",
                f"({self.bound()} := {inner})" if self.chance(3) else "q",
                "G",
                "c",
                "f.__name__",
                "make.__name__",
                f"type({n}).__name__",
                f"getattr(o, {self.pick(['`v`', '`none`', '`seen`'])!s})".replace("`", "'"),
            ]
        )

    def condition(self) -> str:
        if self.chance(2):
            return self.test()
        o = self.pick(self.objects or ["q"])
        return self.pick(
            [
                "q",
                "l",
                f"{o} is None",
                f"{o} is not None and {self.test()}",
                f"not {o}",
                f"{self.int(0)} in l",
                "d",
                f"Flag({self.int(0)})",
                "'p' in d",
                "o.v",
                f"{self.test()} or o.v",
            ]
        )

    # -- statements -------------------------------------------------------------------------------

    def bound(self) -> str:
        """An object variable, a new one sometimes."""
        if self.objects and not self.chance(3):
            return self.pick(self.objects)
        name = f"v{len(self.objects)}"
        if len(self.objects) < 6:
            self.objects.append(name)
        return name

    def block(self, size: int = 3) -> None:
        self.depth += 1
        for _ in range(self.rng.randint(1, size)):
            self.statement()
        self.depth -= 1

    def fed_loop(self) -> None:
        """A compiled loop that needs the type of what an island binds before it."""
        v, w = self.bound(), self.bound()
        kind = self.rng.randrange(8)
        if kind == 0:
            self.emit(f"try:\n    {v} = d['w']\nexcept KeyError:\n    {v} = 0.5")
        elif kind == 1:
            self.emit(f"{v}, {w} = d['w'], d['m']")
        elif kind == 2:
            self.emit(f"if {self.condition()}:\n    {v} = d['w']\nelse:\n    {v} = {self.number()}")
        elif kind == 3:
            self.emit(f"for {v} in [d['w'], d['m'], {self.number()}]:")
            self.depth += 1
        else:
            self.emit(
                f"{v} = {self.pick(['d[`w`]', 'note(d[`w`])', 'd.get(`w`)', 'l and d[`w`]'])}".replace(
                    "`", "'"
                )
            )
        if self.chance(3):
            self.emit(f"if {v} is None:\n    {v} = {self.number()}")
        if self.chance(3):
            self.emit(f"{w} = d['m']")
            limit = w if self.chance(2) else f"int({w} or 2)"
        else:
            limit = self.pick(["len(a)", "4", "len(b)", "d['m']"])
        self.loops += 1
        i = f"i{self.loops}"
        t = self.pick([name for name in self.floats if name != "x"])
        self.emit(f"for {i} in range({limit}):")
        self.depth += 1
        self.emit(
            self.pick(
                [
                    f"{t} += d['w'] * a[{i} % 3]",
                    f"{t} += l[0] * a[{i} % 3]",
                    f"{t} += d['m']",
                    f"{t} += d['w'][{i} % 3]",
                    f"{t} = {t} * 0.5 + {v}",
                    f"{t} += {v} * a[{i} % 3]",
                    f"{t} += float({v})",
                    f"{t} += {v}[{i} % 3]",
                ]
            )
        )
        if self.chance(3):
            self.emit(f"a[{i} % 3] = {v}")
        if self.chance(3):
            self.emit(f"b[{i} % 3] += {i}")
        if self.chance(6):
            self.simple()
        self.depth -= 1
        self.loops -= 1
        if kind == 3:
            self.depth -= 1
        if self.chance(3):
            self.emit(f"{t} = 0.5")

    def native_loop(self) -> None:
        self.loops += 1
        i = f"i{self.loops}"
        self.emit(f"for {i} in range({self.pick(['4', '3', 'len(a)', '1', '6', '0', self.int(0)])}):")
        self.ints.append(i)
        self.depth += 1
        t = self.pick([v for v in self.floats if v != "x"])
        self.emit(f"{t} = {t} * 0.5 + {self.float()}")
        if self.chance(2):
            self.emit(f"a[{i} % 3] = {self.float()}")
        if self.chance(3):
            self.emit(f"b[{self.index()}] += {i}")
        if self.chance(8):
            self.emit(f"if {self.test()}:\n    raise {self.pick(['ValueError', 'IndexError'])}('native')")
        self.depth -= 1
        inner = self.loops < 4 and self.size < 25
        if inner and not self.chance(3):
            self.block()
        self.loops -= 1
        if self.chance(5):
            self.emit("else:")
            self.block(1)
        self.ints.remove(i)
        if self.chance(6):
            self.emit(f"note('after', {i})")

    def leave(self) -> None:
        options = [
            f"return {self.pick([self.object(), self.float(), '(' + self.number() + ', ' + self.object() + ')'])}"
        ]
        if self.loops:
            options += ["break", "continue"] * 2
        options += [f"raise {self.pick(['Custom', 'KeyError'])}({self.object(0)})", "raise"]
        way = self.pick(options)
        if self.chance(3):
            self.emit(way)
        else:
            self.emit(f"if {self.condition()}:\n    {way}")

    def try_statement(self) -> None:
        self.emit("try:")
        if self.loops < 4 and self.chance(2):
            # something that is worth compiling
            self.depth += 1
            self.native_loop()
            self.depth -= 1
        self.block()
        handlers = self.rng.choice([0, 1, 1, 1, 2])
        for _ in range(handlers):
            kind = self.pick(
                [
                    "KeyError",
                    "(IndexError, ZeroDivisionError)",
                    "Custom",
                    "Exception",
                    "LookupError",
                    "TypeError",
                ]
            )
            name = self.pick(["", " as e", f" as {self.bound()}"])
            self.emit(f"except {kind}{name}:")
            if name:
                self.depth += 1
                self.emit(f"note('caught', {name[4:]})")
                self.depth -= 1
            self.block(2)
            if self.chance(4):
                self.depth += 1
                self.emit(
                    self.pick(
                        [
                            "raise",
                            "raise Custom('again')",
                            "raise Custom('chained') from None",
                            "raise Custom(1) from ValueError('cause')",
                        ]
                    )
                )
                self.depth -= 1
        if handlers and self.chance(3):
            self.emit("else:")
            self.block(2)
        if not handlers or self.chance(4):
            self.emit("finally:")
            self.block(2)

    def object_loop(self) -> None:
        target = self.bound()
        options = [
            "l",
            "d",
            "b",
            "list(d)",
            "'xyz'",
            f"count({self.int(0)})",
            "d.values()",
            "[3, 1.5, None]",
            "a",
            "(1, 'u')",
        ]
        pairs = ["d.items()", "enumerate(l)", "zip(l, b)", "[(1, 2), (3, 'w')]", "[(1, 2), (3,)]"]
        name = f"j{self.loops}"
        kind = self.rng.randrange(4)
        if kind == 0:
            self.emit(f"for {name}, {target} in {self.pick(pairs)}:")
        elif kind == 1:
            self.emit(f"for {name} in {self.pick(options)}:")
        else:
            self.emit(f"for {target} in {self.pick(options)}:")
        self.loops += 1
        self.depth += 1
        self.emit("if len(l) > 9:\n    break")
        self.depth -= 1
        if self.chance(2) and self.size < 25 and self.loops < 4:
            self.depth += 1
            self.native_loop()
            self.depth -= 1
        self.block()
        self.loops -= 1
        if self.chance(4):
            self.emit("else:")
            self.block(1)

    def while_loop(self) -> None:
        self.names += 1
        w = f"w{self.names}"
        self.emit(f"{w} = {self.rng.randint(0, 4)}")
        self.emit(f"while {w} > 0 and ({self.condition()}):" if self.chance(2) else f"while {w}:")
        self.depth += 1
        self.emit(f"{w} -= 1")
        self.depth -= 1
        self.loops += 1
        self.block()
        self.loops -= 1

    def function(self) -> None:
        self.names += 1
        g = f"g{self.names}"
        v = self.pick([*self.objects, *self.floats, *self.ints])
        form = self.rng.randrange(5)
        if form == 0:
            self.emit(f"def {g}(z):\n    return note('{g}', z, {v})")
        elif form == 1:
            self.emit(f"{g} = lambda z, y={self.number()}: note('{g}', z, y, {v})")
        elif form == 2:
            v = self.pick([*self.floats, *(o for o in self.objects if o in self.sure)])
            self.emit(f"def {g}(z):\n    nonlocal {v}\n    {v} = z\n    return note('{g}', z)")
        elif form == 3:
            self.emit(f"def {g}(z):\n    yield z\n    yield {v}")
            self.emit(f"{self.bound()} = list({g}({self.number()}))")
            return
        else:
            self.emit(f"class {g}:\n    z = {v}\n    def __init__(self, y):\n        note('init', self.z, y)")
            self.emit(f"{g}({self.number()})")
            return
        self.emit(f"{self.bound()} = {g}({self.object(0)})")
        if self.chance(3):
            self.emit(f"l.append({g}({self.int(0)}))")

    def simple(self) -> None:
        o = self.object()
        v = self.pick(self.objects or ["q"])
        self.emit(
            self.pick(
                [
                    f"{self.bound()} = {o}",
                    f"{self.bound()} = {o}",
                    f"{self.bound()} = {self.number()}",
                    f"{self.bound()} = {self.number()}",
                    f"d[{self.pick(['`z`', self.int(0), '`p`'])}] = {o}".replace("`", "'"),
                    f"l.append({o})",
                    f"o.v = {o}",
                    f"o.seen.append({o})",
                    f"note({o})",
                    f"note({v})",
                    f"o.v += {self.number()}",
                    f"{v} += {self.pick([self.number(), self.number(), str([1]), repr(str(1)), str((2,))])}",
                    f"l += [{self.number()}]",
                    f"d.setdefault('k', []).append({self.number()})",
                    f"del {self.pick([v, 'd[`p`]', 'l[0]', 'o.v'])}".replace("`", "'"),
                    f"fill(a, {self.index()}, {self.float()})",
                    f"change({self.int(0)})",
                    f"bump({self.int(0)})",
                    f"import json as {self.bound()}" if self.chance(3) else f"note({self.number()})",
                    f"{self.bound()}, *{self.bound()} = {self.pick(['l', 's', '(1, 2.0, 3)', o])}",
                    f"{self.bound()} = {self.bound()} = {o}",
                    f"assert {self.condition()}, {o}" if self.chance(4) else f"note({o})",
                    f"{self.pick([f for f in self.floats if f != 'x'])} = {self.float()}",
                    f"a[{self.index()}] = {self.float()}",
                    f"a[{self.index()}] = {v}",
                    f"b[{self.index()}] += {self.int(0)}",
                    f"{self.bound()} = a[{self.int(0)} % 3 + 1 :]",
                ]
            )
        )

    def statement(self) -> None:
        self.size += 1
        kind = self.rng.randrange(24)
        small = self.size > 30 or self.depth > 4
        if small or kind < 10:
            self.simple()
        elif kind == 10 and self.loops < 3:
            self.fed_loop()
        elif kind < 13 and self.loops < 3:
            self.native_loop()
        elif kind < 15:
            self.try_statement()
        elif kind == 15:
            names = self.pick(["", f" as {self.bound()}"])
            caught = self.pick(["", ", KeyError", ", Custom, LookupError", ", Exception"])
            second = self.pick(["", ", Manager('second')"])
            if self.chance(6):
                second = f", np.errstate(all='{self.pick(['ignore', 'warn', 'raise'])}')"
            self.emit(f"with Manager('m{self.size}'{caught}){names}{second}:")
            if self.loops < 4 and self.chance(2):
                # something that is worth compiling
                self.depth += 1
                self.native_loop()
                self.depth -= 1
            self.block()
        elif kind < 18:
            self.emit(f"if {self.condition()}:")
            self.block()
            if self.chance(2):
                self.emit(self.pick(["else:", f"elif {self.condition()}:"]))
                self.block(2)
        elif kind == 18 and self.loops < 3:
            self.object_loop()
        elif kind == 19 and self.loops < 3:
            self.while_loop()
        elif kind == 20:
            self.function()
        elif kind == 21:
            self.leave()
        elif kind == 22:
            self.assign_outer()
        else:
            self.emit(
                f"match {self.object()}:\n    case [{self.bound()}, *_]:\n        note('list')\n"
                f"    case {{'k': {self.bound()}}}:\n        note('dict')\n    case _:\n        pass"
            )

    def assign_outer(self) -> None:
        if not self.declared:
            self.simple()
            return
        name = self.pick(self.declared.split())
        value = f"({self.int(0)} + 1) % 9" if name in "Gc" else f"{name} * 0.5 + 1.0"
        self.emit(
            self.pick(
                [
                    f"{name} = {value}",
                    f"{name} += 1",
                    f"for {name} in range(3):\n    note({name})" if name in "Gc" else f"{name} *= 0.5",
                ]
            )
        )


def program(rng: random.Random, kind: type[Scope] = Scope) -> str:
    """The source of a module."""
    scope = kind(rng)
    body = ["t = 0.0", "u = 1.5"]
    scope.floats += ["t", "u"]
    head = [f"    def f({', '.join(PARAMETERS)}):"]
    if scope.chance(4):
        scope.declared = scope.pick(["G", "c", "G c", "H", "k", "H c"])
        for name in scope.declared.split():
            head.append(f"        {'global' if name in 'GH' else 'nonlocal'} {name}")
    for i in range(6):
        if not scope.chance(6):
            scope.sure.append(f"v{i}")
            body.append(f"v{i} = {scope.pick(['None', '0', '1.5', '[]', 's', 'l', 'a', '(1, x)'])}")
    for _ in range(rng.randint(2, 5)):
        scope.statement()
    (scope.fed_loop if scope.chance(2) else scope.native_loop)()
    for _ in range(rng.randint(0, 2)):
        scope.statement()
    names = rng.sample(scope.objects, min(len(scope.objects), rng.randint(0, 2)))
    scope.emit(f"return {', '.join(['t', 'u', *names])}")
    lines = [*head, *(f"        {line}" for line in body), *scope.lines, "", "    return f"]
    return PRELUDE + "\n".join(lines) + "\n"


def main(kind: type[Scope] = Scope) -> None:
    programs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    trail = sys.argv[3] if len(sys.argv) > 3 else ""
    faulthandler.enable()
    warnings.simplefilter("ignore")
    for seed in range(first, first + programs):
        source = program(random.Random(seed), kind)
        if trail:
            Path(trail).write_text(f"{seed}\n{source}")
        try:
            found = differences(source, calls(seed * 7))
        except SyntaxError:
            continue
        if found:
            print(f"--- program {seed}")
            print(source[len(PRELUDE) :])
            print("\n".join(found), flush=True)


if __name__ == "__main__":
    main()
