"""Random functions whose variables nested functions and generators share, stored, passed on and called later.

`python tests/python/capture_programs.py [PROGRAMS] [SEED] [FILE]`, as `island_programs.py`.
"""

import random

import island_programs
from island_programs import Scope


class Captures(Scope):
    """Makes closures over variables that go on changing."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.closures: list[str] = []

    def variable(self) -> str:
        return self.pick([*self.objects, *self.floats, *self.floats, *self.ints])

    def statement(self) -> None:
        kind = self.rng.randrange(7)
        if self.size > 30 or self.depth > 4 or kind > 2:
            super().statement()
            return
        self.size += 1
        if kind == 0 or not self.closures:
            self.closure()
        else:
            self.call()

    def closure(self) -> None:
        self.names += 1
        g = f"h{self.names}"
        v, w = self.variable(), self.variable()
        # a parameter or loop variable may be assigned as well
        assigned = self.pick([x for x in [*self.objects, *self.floats, "n"] if x != "x"])
        forms = [
            f"{g} = lambda: note('{g}', {v}, {w})",
            f"def {g}():\n    return note('{g}', {v}, {w})",
            f"def {g}():\n    nonlocal {assigned}\n    note('{g}', {v})\n    {assigned} = {self.number()}\n"
            f"    return {assigned}",
            f"def {g}():\n    def inner():\n        nonlocal {assigned}\n        {assigned} += 1\n        return {w}\n"
            f"    return inner()",
            f"{g} = (note('{g}', z, {v}) for z in [{self.number()}, {w}, 1])\n{g} = {g}.__next__",
            f"{g} = map(lambda z: note('{g}', z, {v}), [1, {w}, 2]).__next__",
            f"o.seen.append(lambda: note('{g}', {v}))\n{g} = o.seen[-1]",
            f"class {g}:\n    z = {v}\n    def __new__(cls):\n        return note('{g}', cls.z, {w})",
            f"{g} = [lambda: note('{g}', {v}), lambda z={w}: note('{g}', z)][{self.int(0)} % 2]",
            f"def {g}():\n    nonlocal {assigned}\n    del {assigned}",
            f"{g} = ({assigned} for {assigned} in [1, 2])\n{g} = {g}.__next__",
        ]
        self.emit(self.pick(forms))
        self.closures.append(g)
        if self.chance(2):
            self.emit(f"o.seen.append({g})")

    def call(self) -> None:
        g = self.pick(self.closures)
        self.emit(
            self.pick(
                [
                    f"note({g}())",
                    f"{self.bound()} = {g}()",
                    "o.v = [g() for g in o.seen[:3]]",
                    f"{self.pick([f for f in self.floats if f != 'x'])} = float({g}() or 0)",
                    f"for {self.bound()} in [{g}(), {self.number()}]:\n    note({g}())",
                    f"l.sort(key=lambda z: note('key', type(z).__name__, {self.variable()}))",
                    f"if {g}():\n    note({self.variable()})",
                    f"try:\n    note({g}())\nexcept (NameError, TypeError) as e:\n    note(str(e))",
                    f"del {self.variable()}" if self.chance(3) else f"note({self.variable()})",
                ]
            )
        )


if __name__ == "__main__":
    island_programs.main(Captures)
