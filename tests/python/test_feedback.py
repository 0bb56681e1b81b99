"""Types that a first call observes and the next specialisation assumes: a value of another type changes nothing but the speed."""

import gc
import itertools
import resource
import sys
import threading
import warnings
from typing import Any

import numpy as np
import pytest

from harness import FAKE, compare, define, jit, outcome

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")


class Float(float):
    """Not a float exactly."""


class Int(int):
    """Not an int exactly."""


LOOP = "for i in range(len(a)):\n"

# `d["x"]` and `d["xs"]` have values of many types; `d["log"]` shows which effects took place, and in which order.
BODIES = {
    "read": f' d["log"].append(1)\n s = d["x"]\n {LOOP}  a[i] = a[i] * s\n d["log"].append(s)\n return s',
    "limit": ' n = d["x"]\n t = 0.0\n for i in range(n):\n  t += a[i % 3]\n  a[i % 3] += 1\n return t, n',
    "computed": f' s = d["x"]\n r = s * 2 + 1\n t = 0.0\n {LOOP}  t += a[i] * r\n  a[i] += t\n return t, r',
    "each-turn": f' t = 0.0\n for k in range(len(d["xs"])):\n  d["log"].append(k)\n  s = d["xs"][k]\n  {LOOP}   t += a[i] * s\n   a[i] += k\n return t, s',
    "iteration": f' t = 0.0\n for s in d["xs"]:\n  {LOOP}   t += a[i] * s\n   a[i] += 1\n else:\n  d["log"].append(t)\n return t, s',
    "pairs": f' t = 0.0\n for k, s in enumerate(d["xs"]):\n  d["log"].append(k)\n  {LOOP}   t += a[i] * s + k\n return t, k',
    "try": f' try:\n  s = d["x"]\n  d["log"].append(s)\n except KeyError:\n  s = 0.5\n t = 0.0\n {LOOP}  t += a[i] * s\n return t',
    "try-unbound": f' try:\n  s = d["x"] + 1\n except TypeError as e:\n  d["log"].append(str(e))\n t = 0.0\n {LOOP}  t += a[i] * s\n return t',
    "none": f' m = d["x"]\n if m is None:\n  z = 1.0\n else:\n  z = m\n t = 0.0\n {LOOP}  t += z * a[i]\n return t',
    "none-island": f' m = d["x"]\n if d["log"] or m is None:\n  z = 1.0\n  d["log"].append(z)\n else:\n  z = m\n  y = 5\n  d["log"].append(m)\n t = 0.0\n {LOOP}  t += z * a[i]\n return t, y',
    "assert": f' m = d["x"]\n assert m is None or m == 2\n t = 0.0\n {LOOP}  t += a[i] * (m or 1)\n return t, m',
    "early": f' s = d["x"]\n if s is None:\n  return "none"\n d["log"].append(s)\n t = 0.0\n {LOOP}  t += a[i] * s\n return t',
    "truth": f' s = d["x"]\n t = 0.0\n {LOOP}  if s:\n   t += a[i]\n   a[i] += 1\n return t',
    "unpack": f' d["log"].append(0)\n p, q = d["x"], d["xs"][0]\n t = 0.0\n {LOOP}  t += a[i] * p + q\n return t, p, q',
    "array": ' b = d["x"]\n t = 0.0\n for i in range(len(b)):\n  t += b[i] * a[i]\n  b[i] += 1\n d["log"].append(b is d["x"])\n return t, b',
    "sum": f' s = 0\n for x in d["xs"]:\n  s += x\n t = 0.0\n {LOOP}  t += a[i] * s\n return t, s',
    "join": f' if d["log"]:\n  s = d["x"]\n else:\n  s = 1.5\n  d["log"].append(s)\n t = 0.0\n {LOOP}  t += a[i] * s\n return t',
    "again": f' s = d["x"]\n t = 0.0\n {LOOP}  t += a[i] * s\n s = d["xs"][0]\n d["log"].append(t)\n {LOOP}  t -= a[i] * s\n return t, s',
    "break": f' t = 0.0\n for k in range(4):\n  s = d["x"]\n  try:\n   if k == 2:\n    break\n   d["log"].append(k)\n  finally:\n   d["log"].append(s)\n  {LOOP}   t += a[i] * s\n return t, k',
    "break-simple": f' t = 0.0\n for k in range(4):\n  s = d["x"]\n  with d["manager"]:\n   if k == 2:\n    break\n   d["log"].append(k)\n  {LOOP}   t += a[i] * s\n return t, k',
    "return": f' t = 0.0\n for k in range(4):\n  s = d["x"]\n  with d["manager"]:\n   if k == 2:\n    return s, t\n  {LOOP}   t += a[i] * s\n return t, k',
    "power": f' n = d["x"]\n t = 1\n {LOOP}  a[i] += 1\n  t = t * n + 4000000007\n  t = t * 4000000007\n return t',
    "default": f' s = d.get("y", d["x"])\n t = 0.0\n {LOOP}  t += a[i] * s\n del s\n return t',
    "identity": f' s = d["x"]\n t = 0.0\n {LOOP}  t += a[i] * s\n return s is d["x"]',
    "id": f' s = d["x"]\n t = 0.0\n {LOOP}  t += a[i] * s\n return id(s) == id(d["x"])',
    "closure": f' s = d["x"]\n t = 0.0\n {LOOP}  t += a[i] * s\n d["log"].append((lambda: s)())\n return t',
    "item": f' d["log"].append(1)\n {LOOP}  a[i] *= d["x"]\n d["log"].append(2)\n return d["x"]',
    "item-limit": ' t = 0.0\n for i in range(d["x"]):\n  t += a[i % 3]\n  a[i % 3] += 1\n return t',
    "item-array": f' t = 0.0\n for k in range(2):\n  {LOOP}   t += d["x"][i] * a[i]\n   a[i] += 1\n return t',
    "item-list": f' e = d["xs"]\n t = 0.0\n {LOOP}  t += e[0] * a[i] + e[-1]\n  a[i] += 1\n return t',
    "item-changed": f' t = 0.0\n for k in range(3):\n  {LOOP}   t += a[i] * d["x"]\n   a[i] += 1\n  d["x"] = k + 0.5\n return t',
    "item-changed-inside": f' t = 0.0\n {LOOP}  t += a[i] * d["x"]\n  a[i] += 1\n  d["x"] = t\n return t',
    "item-changed-elsewhere": f' e = d\n t = 0.0\n for k in range(3):\n  {LOOP}   t += a[i] * e["x"]\n   a[i] += 1\n  d["x"] = d["xs"][k]\n return t',
    "item-rebound": f' e = d\n t = 0.0\n for k in range(3):\n  {LOOP}   t += a[i] * e["x"]\n   a[i] += 1\n  e = {{"x": k}}\n return t',
    "item-missing": f' t = 0.0\n {LOOP}  a[i] += 1\n  if a[i] > 100:\n   t += d["missing"]\n  t += d["x"]\n return t',
    "item-no-turn": ' t = 0.0\n a[0] += 1\n for i in range(0):\n  t += d["missing"] * d["x"]\n return t',
    "item-exit": f' t = 1\n {LOOP}  a[i] += 1\n  t = t * 4000000007 + d["x"]\n  t = t * 4000000007\n return t',
    "item-while": ' t = 0.0\n while d["x"] > t:\n  a[0] += 1\n  t += 1.5\n return t',
    "item-none": f' t = 0.0\n {LOOP}  if d["x"] is None:\n   t += 1\n  else:\n   t += a[i] * d["x"]\n return t',
    "item-raise": f' t = 0.0\n {LOOP}  a[i] += 1\n  if i == 1:\n   raise ValueError("stop")\n  t += d["x"]\n return t',
    "methods": f' m = d["x"]\n t = 0.0\n {LOOP}  t += a[i] * a[i] + a[i] * 0.5\n  d["log"].append(t)\n  d.update(y=m, z=i)\n  d["x"].conjugate()\n return t, d["y"], d["z"]',
    "walrus": f' t = 0.0\n if (s := d["x"]) is not None:\n  {LOOP}   t += a[i] * s\n return t',
    "while": ' n = d["x"]\n t = 0.0\n while n > 0:\n  t += a[n % 3]\n  a[0] += 1\n  n -= 1\n return t, n',
}

VALUES: list[Any] = [
    *[0.5, 3, True, None, "w", 2**70, 1j, (1, 2.0), -0.0, float("nan"), [1.0, 2.0, 3.0]],
    *[Float(0.5), Int(2), np.float64(1.5), np.float32(0.1), np.int64(3), np.bool_(True)],
    *[np.arange(3.0), np.arange(6.0)[::2], np.arange(3), np.float32([1, 2, 3])],
]


class Manager:
    """Does nothing."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        pass


def arguments(x: Any, other: Any) -> tuple[dict[str, Any], Any]:
    d = {"x": x, "xs": [x, x, other], "log": [], "manager": None}
    return d, np.array([1.0, 2.0, -0.5])


def run(body: str, values: list[tuple[Any, Any]]) -> Any:
    f = define(f"def f(d, a):\n{body}\n")
    compiled = jit(f)
    for x, other in values:
        args = arguments(x, other)
        want = outcome(f, args)
        got = outcome(compiled, args)
        compare(want, got, {f.__code__.co_filename})
    return compiled


def assumptions(compiled: Any) -> list[tuple[str, str, int, str]]:
    """Variable, type, misses and state of each assumption."""
    found = compiled.report().data()["functions"][0]["specializations"]
    return [(a["name"], a["type"], a["misses"], s["state"]) for s in found for a in s["assumptions"]]


@pytest.fixture(autouse=True)
def quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def values_for(body: str) -> list[Any]:
    """Without a number of turns that never end."""
    return [
        v
        for v in VALUES
        if body not in ("limit", "while", "item-limit", "item-while") or not (type(v) is int and v > 99)
    ]


@pytest.mark.parametrize("body", BODIES)
def test_values_of_other_types(body: str) -> None:
    text = BODIES[body]
    pairs = list(itertools.permutations(values_for(body), 2))
    for x, other in pairs[:: 7 if len(body) % 2 else 11]:
        run(text, [(x, x)] * 3 + [(x, other), (other, x), (x, x), (other, other), (other, other), (x, x)])


@pytest.mark.parametrize("body", BODIES)
def test_values_of_all_types_in_turn(body: str) -> None:
    for first in (0.5, 3, None, np.arange(3.0)):
        run(BODIES[body], [(v, v) for x in values_for(body) for v in (first, first, x)])


READ = BODIES["read"]


def test_the_second_call_is_compiled() -> None:
    compiled = run(READ, [(0.5, 0.5)] * 2)
    args = arguments(0.5, 0.5)
    assert compiled.tier(*args) == "mixed"
    assert assumptions(compiled) == [('d["x"]', "float", 0, "in use")]
    found = compiled.report().data()["functions"][0]["specializations"]
    assert [s["state"] for s in found] == ["replaced", "replaced", "in use"]
    # the first call went on in machine code
    assert "from line" in found[1]["signature"] and found[1]["calls"] == 1
    assert compiled.signatures == [("dict", "float64[::1]")]
    assert [s.tier for s in compiled.specializations] == ["mixed"]
    assert list(compiled.inspect_mir()) == [("dict", "float64[::1]")]
    assert 'assumes d["x"]: float' in str(compiled.report())


def test_one_call_decides_nothing() -> None:
    compiled = run(READ, [(0.5, 0.5)])
    assert len(compiled.specializations) == 1 and compiled.specializations[0].tier == "interpreter"


def test_other_values_are_counted() -> None:
    compiled = run(READ, [(0.5, 0.5)] * 2 + [("w", 0)] + [(0.5, 0.5)] * 2)
    assert assumptions(compiled) == [('d["x"]', "float", 1, "in use")]


def test_wrong_assumptions_are_given_up() -> None:
    compiled = run(READ, [(0.5, 0.5)] * 2 + [("w", 0)] * 40)
    # first the item, then the variable
    assert assumptions(compiled) == [('d["x"]', "float", 3, "given up"), ("s", "float", 3, "given up")]
    assert compiled.tier(*arguments(0.5, 0.5)) == "interpreter"
    assert compiled.signatures == []


def test_what_values_have_in_common_is_assumed_next() -> None:
    body = f' s = d["x"]\n t = 0.0\n {LOOP}  t += a[i] * s\n return t'
    compiled = run(body, [(0.5, 0), (0.5, 0), (3, 0), (3, 0), (3, 0), (0.5, 0), (3, 0), (0.5, 0)])
    assert assumptions(compiled) == [
        ('d["x"]', "float", 3, "given up"),
        ('d["x"]', "int | float", 0, "in use"),
    ]


def test_compilations_are_bounded() -> None:
    compiled = run(READ, [(v, v) for v in VALUES for _ in range(6)])
    assert len(compiled.report().data()["functions"][0]["specializations"]) <= 5


def test_nothing_is_assumed_that_helps_nobody() -> None:
    compiled = run(
        ' s = d["x"]\n d["log"].append(s)\n for k in d["xs"]:\n  d["log"].append(k)\n return s', [(1, 1)] * 5
    )
    assert assumptions(compiled) == [] and compiled.tier(*arguments(1, 1)) == "interpreter"


def test_annotations_come_first() -> None:
    f = define(
        'def f(d, a):\n s: float = d["x"]\n n = d["n"]\n t = 0.0\n for i in range(n):\n  t += a[i] * s\n return t\n'
    )
    compiled = jit(f)
    for _ in range(3):
        assert compiled({"x": 0.5, "n": 2}, np.ones(3)) == 1.0
    assert assumptions(compiled) == [('d["n"]', "int", 0, "in use")]
    with pytest.raises(TypeError, match="annotated as float"):
        compiled({"x": 1, "n": 2}, np.ones(3))


def test_identity_is_kept_where_it_is_looked_at() -> None:
    for name in ("identity", "id"):
        compiled = run(BODIES[name], [(0.1 + 0.2, 0)] * 4)
        assert assumptions(compiled) == []


def test_arrays_stay_the_objects_they_are() -> None:
    compiled = run(BODIES["array"], [(np.arange(3.0), 0)] * 2)
    b = np.arange(3.0)
    assert compiled({"x": b, "log": []}, np.ones(3))[1] is b
    assert assumptions(compiled) == [('d["x"]', "float64[::1]", 0, "in use")]


def test_recursion_and_threads() -> None:
    f = define(
        f'def f(d, a, n):\n s = d["x"]\n t = 0.0\n {LOOP}  t += a[i] * s\n if n:\n  t += g(d, a, n - 1)\n return t\n'
    )
    compiled = jit(f)
    f.__globals__["g"] = compiled
    a = np.ones(50)
    assert compiled({"x": 0.5}, a, 5) == 150.0
    wrong = []

    def work(k: int) -> None:
        for j in range(300):
            x = [0.5, 2, 0.25, 1.5][(j // 50 + k) % 4]
            if compiled({"x": x}, a, 2) != 150 * x:
                wrong.append((k, j))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_references_are_balanced() -> None:
    f = define(f'def f(d, a):\n s, b = d["x"], d["b"]\n t = 0.0\n {LOOP}  t += a[i] * s + b[i]\n return t\n')
    compiled = jit(f)
    a, b, big = np.ones(3), np.ones(3), "w" * 100
    dicts = [{"x": 0.5, "b": b}, {"x": 0.5, "b": b}, {"x": big, "b": b}, {"x": 0.5, "b": [1, 2, 3]}]

    def once(n: int) -> None:
        for k in range(n):
            try:
                compiled(dicts[0 if k % 500 else k // 500 % 4], a)
            except (TypeError, ValueError):
                pass

    once(5000)
    gc.collect()
    before = [sys.getrefcount(o) for o in (a, b, big, 0.5)]
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    once(100_000)
    gc.collect()
    assert [sys.getrefcount(o) for o in (a, b, big, 0.5)][:3] == before[:3]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used < 2000


def test_a_call_that_raises_observes_too() -> None:
    compiled = run(READ, [("w", 0), (0.5, 0), (0.5, 0), (0.5, 0), (0.5, 0)])
    assert assumptions(compiled) in ([], [('d["x"]', "float", 0, "in use")])


def test_defaults_and_keywords_while_observing() -> None:
    f = define(
        f'def f(d, a, k=2, *, w=0.5):\n s = d["x"]\n t = 0.0\n {LOOP}  t += a[i] * s * w + k\n return t\n'
    )
    compiled = jit(f)
    d, a = {"x": 2.0}, np.ones(3)
    for args, kwargs in [((d, a), {}), ((d,), {"a": a, "w": 1.5}), ((d, a, 3), {}), ((d, a), {"k": 1})] * 3:
        assert compiled(*args, **kwargs) == f(*args, **kwargs)


def test_a_frame_that_is_looked_at_is_not_changed() -> None:
    f = define(f'def f(d, a):\n s = d["x"]\n t = 0.0\n {LOOP}  t += a[i] * s\n return sorted(locals())\n')
    compiled = jit(f)
    for _ in range(3):
        assert compiled({"x": 0.5}, np.ones(2)) == ["a", "d", "i", "s", "t"]


class Key:
    """Equal to some text, and says when it is asked."""

    asked: list[str] = []

    def __init__(self, text: str) -> None:
        self.text = text

    def __hash__(self) -> int:
        return hash(self.text)

    def __eq__(self, other: object) -> bool:
        Key.asked.append(self.text)
        return self.text == other


class Dict(dict):
    """Not a dict exactly."""

    asked = 0

    def __getitem__(self, key: Any) -> Any:
        Dict.asked += 1
        return super().__getitem__(key)


ITEM = 't = 0.0\n for i in range(len(a)):\n  t += a[i] * d["x"]\n return t'


def test_items_are_read_before_the_loop() -> None:
    compiled = run(" " + ITEM, [(0.5, 0)] * 3)
    assert assumptions(compiled) == [('d["x"]', "float", 0, "in use")]
    assert compiled.tier(*arguments(0.5, 0)) == "mixed"


def test_keys_of_the_user_are_asked_as_often() -> None:
    f = define(f"def f(d, a):\n {ITEM}\n")
    compiled, a = jit(f), np.ones(4)
    for d in [{"x": 0.5}] * 3 + [{Key("x"): 0.5}, {Key("y"): 1, "x": 2.0}, Dict(x=0.5)] + [{"x": 0.5}] * 2:
        Key.asked, Dict.asked = [], 0
        want = f(d, a), Key.asked, Dict.asked
        Key.asked, Dict.asked = [], 0
        assert (compiled(d, a), Key.asked, Dict.asked) == want
    large = {str(i): i for i in range(1000)} | {"x": 0.25}
    assert [compiled(large, a) for _ in range(5)] == [1.0] * 5


def test_other_mappings_are_read_by_their_own_code() -> None:
    f = define(f"def f(d, a):\n {ITEM}\n")
    compiled, a = jit(f), np.ones(4)
    for n in range(1, 6):
        assert compiled(Dict(x=0.5), a) == 2.0
        assert Dict.asked % 4 == 0
    assert assumptions(compiled) == []


def test_items_keep_their_arrays_alive() -> None:
    f = define('def f(d, a):\n t = 0.0\n for i in range(len(a)):\n  t += d["x"][i] * a[i]\n return t\n')
    compiled, a = jit(f), np.ones(4)
    b = np.arange(4.0)
    d = {"x": b}
    before = sys.getrefcount(b)
    for _ in range(1000):
        assert compiled(d, a) == 6.0
    assert sys.getrefcount(b) == before
    for other in ([1.0] * 4, np.arange(4), None):
        d["x"] = other
        try:
            want = f(d, a)
        except TypeError:
            with pytest.raises(TypeError):
                compiled(d, a)
        else:
            assert compiled(d, a) == want
    assert sys.getrefcount(b) == before - 1
