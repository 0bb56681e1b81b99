"""Attributes and items of objects that a compiled loop reads once: values, accesses that the user sees, errors."""

import collections
import dataclasses
import functools
import gc
import itertools
import sys
import types
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness import FAKE, compare, define, jit, outcome

pytestmark = [pytest.mark.skipif(FAKE, reason="needs the compiler"), pytest.mark.filterwarnings("ignore")]

#: What code of the classes below was asked, in order.
ASKED: list[str] = []


class Plain:
    def __init__(self, x: Any) -> None:
        self.x = x


class Slots:
    __slots__ = ("x",)

    def __init__(self, x: Any) -> None:
        self.x = x


class Inherited(Slots):
    """A slot of a base, and a dict."""


class InClass:
    x: Any = 0.25

    def __init__(self, x: Any) -> None:
        pass


class Both(InClass):
    def __init__(self, x: Any) -> None:
        self.x = x


@dataclasses.dataclass
class Data:
    x: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    x: Any


class Tuple(NamedTuple):
    x: Any
    y: int = 0


class Property:
    def __init__(self, x: Any) -> None:
        self._x = x

    @property
    def x(self) -> Any:
        ASKED.append("property")
        return self._x


class Cached:
    def __init__(self, x: Any) -> None:
        self._x = x

    @functools.cached_property
    def x(self) -> Any:
        ASKED.append("cached")
        return self._x


class GetAttr:
    def __init__(self, x: Any) -> None:
        self._x = x

    def __getattr__(self, name: str) -> Any:
        ASKED.append(name)
        return self._x


class GetAttrToo(Plain):
    def __getattr__(self, name: str) -> Any:
        ASKED.append(name)
        raise AttributeError(name)


class GetAttribute(Plain):
    def __getattribute__(self, name: str) -> Any:
        ASKED.append(name)
        return super().__getattribute__(name)


class Descriptor:
    def __get__(self, instance: Any, owner: Any) -> Any:
        ASKED.append("descriptor")
        return instance._x

    def __set__(self, instance: Any, value: Any) -> None:
        instance._x = value


class Described:
    x = Descriptor()

    def __init__(self, x: Any) -> None:
        self.x = x


class NonData:
    def __get__(self, instance: Any, owner: Any) -> Any:
        ASKED.append("non-data")
        return instance._x


class DescribedOnce:
    x = NonData()

    def __init__(self, x: Any) -> None:
        self._x = x


class Shadowed(DescribedOnce):
    """The instance's own value comes first."""

    def __init__(self, x: Any) -> None:
        self._x = 0
        self.__dict__["x"] = x


class Missing:
    def __init__(self, x: Any) -> None:
        pass


class Method:
    def __init__(self, x: Any) -> None:
        pass

    def x(self) -> None:
        pass


def namespace(x: Any) -> Any:
    return types.SimpleNamespace(x=x)


def named(x: Any) -> Any:
    return collections.namedtuple("named", "w x")(1, x)


def a_class(x: Any) -> Any:
    return type("Settings", (), {"x": x})


def derived(x: Any) -> Any:
    return type("Derived", (a_class(x),), {})


class Meta(type):
    def __getattr__(cls, name: str) -> Any:
        ASKED.append(name)
        return cls._x

    @property
    def y(cls) -> Any:
        ASKED.append("y")


def of_metaclass(x: Any) -> Any:
    return Meta("OfMeta", (), {"_x": x})


#: Makes an object whose `x` is a value; True if a loop may read it once.
KINDS: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "plain": (Plain, True),
    "slots": (Slots, True),
    "inherited": (Inherited, True),
    "in-class": (InClass, True),
    "both": (Both, True),
    "dataclass": (Data, True),
    "frozen": (Frozen, True),
    "named-tuple": (Tuple, True),
    "namedtuple": (named, True),
    "namespace": (namespace, True),
    "getattr-too": (GetAttrToo, True),
    "class": (a_class, False),
    "derived-class": (derived, False),
    "metaclass": (of_metaclass, False),
    "property": (Property, False),
    "cached": (Cached, False),
    "getattr": (GetAttr, False),
    "getattribute": (GetAttribute, False),
    "descriptor": (Described, False),
    "non-data": (DescribedOnce, False),
    "shadowed": (Shadowed, False),
    "missing": (Missing, False),
    "method": (Method, False),
}

LOOP = "for i in range(len(a)):\n"

#: Programs of an object, another reference to it or another object, an array and a number.
BODIES = {
    "factor": f" t = 0.0\n {LOOP}  t += a[i] * o.x\n  a[i] += 1\n return t",
    "limit": " t = 0.0\n for i in range(o.x):\n  t += a[i % 3]\n  a[i % 3] += 1\n return t",
    "array": f" t = 0.0\n {LOOP}  t += o.x[i] * a[i]\n  o.x[i] += t\n return t",
    "array-2": f" t = 0.0\n for k in range(2):\n  {LOOP}   t += o.x[i] * a[i] + o.x.shape[0]\n   a[i] += o.x.sum()\n return t",
    "before": f" s = o.x\n t = 0.0\n {LOOP}  t += a[i] * s\n return t, s",
    "nested": f" t = 0.0\n {LOOP}  t += a[i] * p.inner.x\n  a[i] += 1\n return t",
    "nested-item": f' t = 0.0\n {LOOP}  t += a[i] * p.items["o"].x + p.items["n"]["k"][-1]\n  a[i] += 1\n return t',
    "by-variable": f" t = 0.0\n k = n\n {LOOP}  t += a[i] * p.values[k]\n  a[i] += 1\n return t",
    "by-text": f' t = 0.0\n k = "o"\n {LOOP}  t += a[i] * p.items[k].x\n  a[i] += 1\n return t',
    "by-counter": " t = 0.0\n for k in range(len(p.values)):\n  for i in range(len(a)):\n   t += a[i] * p.values[k]\n   a[i] += 1\n return t",
    "by-inner": f" t = 0.0\n {LOOP}  t += a[i] * p.values[i]\n  a[i] += 1\n return t",
    "written": f" t = 0.0\n {LOOP}  t += a[i] * o.x\n  o.x = t\n return t",
    "written-between": f" t = 0.0\n for k in range(3):\n  {LOOP}   t += a[i] * o.x\n   a[i] += 1\n  o.x = k + 0.5\n return t",
    "written-elsewhere": f" t = 0.0\n for k in range(3):\n  {LOOP}   t += a[i] * o.x\n   a[i] += 1\n  p.inner.x = k * 2\n return t",
    "deleted": f" t = 0.0\n for k in range(2):\n  {LOOP}   t += a[i] * o.x\n   a[i] += 1\n  del o.x\n return t",
    "class-changed": f" t = 0.0\n for k in range(2):\n  {LOOP}   t += a[i] * o.x\n   a[i] += 1\n  type(o).x = 3.5\n return t",
    "rebound": f" t = 0.0\n for k in range(2):\n  {LOOP}   t += a[i] * o.x\n   a[i] += 1\n  o = p\n return t",
    "no-turn": " t = 0.0\n a[0] += 1\n for i in range(n - n):\n  t += o.missing * o.x\n return t",
    "rare": f" t = 0.0\n {LOOP}  a[i] += 1\n  if a[i] > 100:\n   t += o.missing\n  t += o.x\n return t",
    "while": " t = 0.0\n while o.x > t:\n  a[0] += 1\n  t += 1.5\n return t",
    "none": f" t = 0.0\n {LOOP}  if o.x is None:\n   t += 1\n  else:\n   t += a[i] * o.x\n return t",
    "exit": f" t = 1\n {LOOP}  a[i] += 1\n  t = t * 4000000007 + o.x\n  t = t * 4000000007\n return t",
    "raise": f' t = 0.0\n {LOOP}  a[i] += 1\n  if i == 1:\n   raise ValueError("stop")\n  t += o.x\n return t',
    "try": f" t = 0.0\n try:\n  {LOOP}   a[i] += 1\n   t += o.x\n except AttributeError as e:\n  return str(e), t\n return t",
    "identity": f" t = 0.0\n {LOOP}  t += a[i] * o.x\n s = o.x\n return s is o.x, t",
    "global": f" t = 0.0\n {LOOP}  t += a[i] * G.x\n  a[i] += 1\n return t",
    "global-item": f' t = 0.0\n {LOOP}  t += a[i] * D["o"].x\n  a[i] += 1\n return t',
    "lambda": f" g = lambda: o.x\n t = 0.0\n {LOOP}  t += a[i] * o.x\n return t, g()",
}

VALUES: list[Any] = [
    *[0.5, 3, True, None, "w", 2**70, 1j, (1, 2.0), -0.0, float("nan"), [1.0, 2.0, 3.0]],
    *[np.float64(1.5), np.float32(0.1), np.int64(3), np.arange(3.0), np.arange(6.0)[::2], np.arange(3)],
]


class World:
    """Arguments of a call, made anew for each side."""

    def __init__(self, kind: str, x: Any) -> None:
        make, _ = KINDS[kind]
        value = x.copy() if isinstance(x, (np.ndarray, list)) else x
        self.o = make(value)
        items = {"o": self.o, "n": {"k": (1, 2.5)}}
        self.p = types.SimpleNamespace(inner=self.o, items=items, values=[0.5, 1.5, value], x=0.75)
        self.a = np.array([1.0, 2.0, -0.5])

    def state(self) -> Any:
        """What a call may have changed; reading it asks nobody."""
        try:
            held = object.__getattribute__(self.o, "__dict__")
            held = vars(self.o).get("x") if isinstance(self.o, type) else held
        except AttributeError:
            held = {}
        return repr(held), repr(self.p.values), repr(self.a), self.a.tobytes()


def call(f: Callable[..., Any], kind: str, x: Any, n: int) -> tuple[Any, Any, list[str]]:
    world = World(kind, x)
    classes = {type(world.o), *type(world.o).__mro__} - {object, tuple}
    before = [(c, vars(c)["x"]) for c in classes if "x" in vars(c)]
    f_globals = getattr(f, "py_func", f).__globals__
    f_globals["G"], f_globals["D"] = world.o, {"o": world.o}
    ASKED.clear()
    got = outcome_in_place(f, (world.o, world.p, world.a, n))
    asked = list(ASKED)
    state = world.state()
    for c in classes - {types.SimpleNamespace}:
        if "x" in vars(c):
            del c.x
    for c, x in before:
        c.x = x
    return got, state, asked


def outcome_in_place(f: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """As `harness.outcome`, without copies."""
    try:
        return ("value", describe(f(*args)))
    except Exception as e:
        lines, trace = [], e.__traceback__
        while trace is not None:
            lines.append((trace.tb_frame.f_code.co_name, trace.tb_lineno))
            trace = trace.tb_next
        return ("error", type(e).__name__, str(e), lines[1:])


def describe(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(describe(v) for v in value)
    if isinstance(value, np.ndarray):
        return "array", value.dtype.str, value.tobytes()
    return type(value).__name__, repr(value)


def run(body: str, calls: list[tuple[str, Any, int]]) -> Any:
    f = define(f"def f(o, p, a, n):\n{body}\n")
    compiled = jit(f)
    for kind, x, n in calls:
        assert call(compiled, kind, x, n) == call(f, kind, x, n), (kind, x, n)
    return compiled


def endless(body: str, x: Any) -> bool:
    return body in ("limit", "while") and type(x) is int and x > 99


@pytest.mark.parametrize("body", BODIES)
def test_objects_of_all_kinds(body: str) -> None:
    for kind in KINDS:
        for x in (0.5, 3, np.arange(3.0)):
            run(BODIES[body], [(kind, x, 1)] * 4)


@pytest.mark.parametrize("body", BODIES)
def test_values_of_other_types(body: str) -> None:
    values = [x for x in VALUES if not endless(body, x)]
    pairs = list(itertools.permutations(values, 2))
    kinds = itertools.cycle(["plain", "slots", "namespace", "named-tuple", "both"])
    for (x, other), kind in zip(pairs[:: 11 if len(body) % 2 else 13], kinds):
        run(BODIES[body], [(kind, x, 1)] * 3 + [(kind, other, 1), (kind, x, -1), (kind, other, 2)] * 2)


@pytest.mark.parametrize("body", BODIES)
def test_objects_of_all_kinds_in_turn(body: str) -> None:
    """A class that runs code of its own, or has nothing of the name, where the code assumes another one."""
    calls = [("plain", 0.5, 1)] * 3 + [(kind, x, 1) for kind in KINDS for x in (0.5, 2)]
    run(BODIES[body], calls)
    run(BODIES[body], [("namespace", 0.5, 1)] * 3 + calls[::-1])


def assumed(compiled: Any) -> list[tuple[str, str]]:
    found = compiled.report().data()["functions"][0]["specializations"]
    return [(a["name"], a["type"]) for s in found for a in s["assumptions"] if s["state"] == "in use"]


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_loop_reads_once(kind: str) -> None:
    compiled = run(BODIES["factor"], [(kind, 0.5, 1)] * 3)
    once = KINDS[kind][1]
    assert assumed(compiled) == ([("o.x", "float")] if once else [])
    world = World(kind, 0.5)
    assert compiled.tier(world.o, world.p, world.a, 1) == ("mixed" if once else "interpreter")


@pytest.mark.parametrize(
    ("body", "reads"),
    [
        ("array", [("o.x", "float64[::1]")]),
        ("nested", [("p.inner.x", "float")]),
        ("nested-item", [('p.items["n"]["k"][-1]', "float"), ('p.items["o"].x', "float")]),
        ("by-variable", [("p.values[k]", "float")]),
        ("by-text", [("p.items[k].x", "float")]),
        ("by-inner", []),
        ("global", [("G.x", "float")]),
        ("global-item", [('D["o"].x', "float")]),
        ("written", []),
    ],
)
def test_what_is_read_before_a_loop(body: str, reads: list[tuple[str, str]]) -> None:
    x = np.arange(3.0) if body == "array" else 0.5
    compiled = run(BODIES[body], [("plain", x, 1)] * 4)
    assert assumed(compiled) == reads


def test_global_classes_are_read_once() -> None:
    f = define("def f(a):\n t = 0.0\n for i in range(len(a)):\n  t += a[i] * G.x\n return t\n")
    compiled, a = jit(f), np.ones(4)
    for G in [
        *[derived(0.5)] * 3,
        a_class(0.25),
        a_class(2),
        Missing,
        Property,
        of_metaclass(3.0),
        derived(0.5),
    ]:
        f.__globals__["G"] = G
        compare(outcome(f, (a,)), outcome(compiled, (a,)), {f.__code__.co_filename})
        if G.__name__ == "Settings":
            assert assumed(compiled) == [("G.x", "float")]


def test_globals_may_be_other_objects_of_the_class() -> None:
    f = define("def f(a):\n t = 0.0\n for i in range(len(a)):\n  t += a[i] * G.x\n return t\n")
    compiled, a = jit(f), np.ones(4)
    for i in range(100):
        f.__globals__["G"] = Plain(i * 0.5)
        assert compiled(a) == i * 2.0
    assert len(compiled.specializations) == 1 and compiled.tier(a) == "mixed"
    f.__globals__["G"] = 3.0
    with pytest.raises(AttributeError):
        compiled(a)


def method(decorate: Any) -> Any:
    source = """
class Model:
    def __init__(self, n, rate):
        self.state = np.zeros(n)
        self.rate = rate
        self.__limit = n
        self.steps = 0

    def step(self, x, times):
        for _ in range(times):
            for i in range(self.__limit):
                self.state[i] += self.rate * (x[i] - self.state[i])
        self.steps += 1
        return self.state.sum()
"""
    Model = define(source, name="Model", np=np)
    Model.step = decorate(Model.step)
    return Model


def test_methods_are_compiled() -> None:
    plain, compiled = method(lambda f: f), method(jit)
    x = np.linspace(0, 1, 1000)
    a, b = plain(1000, 0.5), compiled(1000, 0.5)
    for _ in range(4):
        assert a.step(x, 3) == b.step(x, 3)
    assert (a.steps, a.state.tobytes()) == (b.steps, b.state.tobytes())
    assert compiled.step.tier(b, x, 3) == "mixed"


def test_references_are_balanced() -> None:
    f = define(
        "def f(o, a):\n t = 0.0\n for i in range(len(a)):\n  t += o.inner.x[i] * a[i] + o.k\n return t\n"
    )
    compiled, a, x = jit(f), np.ones(4), np.arange(4.0)
    inner = Plain(x)
    o = types.SimpleNamespace(inner=inner, k=10**6)
    for _ in range(5):
        assert compiled(o, a) == 4e6 + 6
    before = [sys.getrefcount(v) for v in (o, inner, x, a, o.k)]
    for _ in range(1000):
        compiled(o, a)
    inner.x = None
    for _ in range(3):
        with pytest.raises(TypeError):
            compiled(o, a)
    inner.x = x
    assert [sys.getrefcount(v) for v in (o, inner, x, a, o.k)] == before


def test_functions_that_read_globals_are_collected() -> None:
    import weakref

    space: dict[str, Any] = {}
    f = define(
        "def f(a):\n t = 0.0\n for i in range(len(a)):\n  t += a[i] * G.x\n return t\n", **{"G": Plain(0.5)}
    )
    compiled = jit(f)
    f.__globals__["f"] = compiled
    for _ in range(4):
        assert compiled(np.ones(4)) == 2.0
    assert assumed(compiled) == [("G.x", "float")] and not space
    gone = weakref.ref(f)
    del f, compiled
    gc.collect()
    assert gone() is None


def test_closure_variables() -> None:
    source = """
def make(o):
    def f(a):
        t = 0.0
        for i in range(len(a)):
            t += a[i] * o.x
        return t
    def change(new):
        nonlocal o
        o = new
    return f, change
"""
    f, change = define(source, name="make")(Plain(0.5))
    compiled, a = jit(f), np.ones(4)
    for o in [Plain(0.5)] * 3 + [Plain(2), Slots(1.5), Property(0.5), {"x": 1}, Missing(0), Plain(0.5)]:
        change(o)
        compare(outcome(f, (a,)), outcome(compiled, (a,)), {f.__code__.co_filename})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(a) == 2.0


def test_c_functions_may_call_back() -> None:
    import ctypes

    o = Plain(0.5)

    def change(x: float) -> float:
        o.x += 1.0
        return x

    callback = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(change)
    pointer = ctypes.cast(callback, ctypes.c_void_p).value
    c = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(pointer)
    body = " t = 0.0\n for i in range(len(a)):\n  t += c(a[i]) * o.x\n return t\n"
    inner = "def g(x):\n return c(x)\n"
    f = define(f"def f(o, a):\n{body}", name="f", c=c)
    compiled, a = jit(f), np.ones(4)
    deep = define(inner + f"def f(o, a):\n{body.replace('c(a[i])', 'g(a[i])')}", name="f", c=c)
    for plain, fast in ((f, compiled), (deep, jit(deep))):
        for _ in range(4):
            o.x = 0.5
            want = plain(o, a)
            o.x = 0.5
            assert fast(o, a) == want == 0.5 * 4 + 1 + 2 + 3 + 4
