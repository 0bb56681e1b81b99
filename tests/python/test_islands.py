"""Mixed functions: what has no static type runs in the interpreter, the loops beside it do not."""

import contextlib
import gc
import re
import sys
import textwrap
import threading
import traceback
import weakref
from typing import Any

import numpy as np
import pytest

from harness import FAKE, check, compare, define, jit, njit, outcome, same

pytestmark = pytest.mark.skipif(FAKE, reason="needs the compiler")

ARRAY = np.arange(12.0).reshape(3, 4)

# A loop that is compiled; the rest of the bodies below is not.
LOOP = " t = 0.0\n for i in range(a.shape[0]):\n  for j in range(a.shape[1]):\n   t += a[i, j]\n"

# Another one, in which what follows is.
LOOPS = " for k in range(3):\n  for m in range(9):\n   t += m\n"


class Box:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"Box({self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


def mixed(body: str, *args: Any, tier: str | None = "mixed", params: str = "a, x", **extra: Any) -> None:
    """Compares a function of this body, in the mixed tier."""
    f = define(f"def f({params}):\n{body}\n", "f", Box=Box, **extra)
    check(f, *args, tier=tier)


STATEMENTS = {
    "dict": LOOP + " d = {'t': t, 'x': x}\n d['y'] = 2\n return d",
    "dict-argument": " s = x['s']\n" + LOOP + " x['t'] = t\n return s",
    "attribute": LOOP + " x.value = t\n return x",
    "method": LOOP + " x.append(t)\n return len(x)",
    "format": LOOP + " return f'{t:.2f} {x!r}'",
    "string": LOOP + " return 'a' + str(t) + 'b'.upper()",
    "list-comprehension": LOOP + " return [v * t for v in range(3)]",
    "generator": LOOP + " return sum(v * t for v in range(3))",
    "set": LOOP + " return {t, 1.0}",
    "print": LOOP + " print(t, end='')\n return t",
    "star": LOOP + " args = (t, x)\n return max(*args)",
    "double-star": LOOP + " return dict(t=t, **{'x': x})",
    "global-function": LOOP + " return Box(t)",
    "import": LOOP + " import json\n return json.dumps([t])",
    "lambda": LOOP + " g = lambda v: v + t\n h = {'g': g}\n return h['g'](1)",
    "def": LOOP + " def g(v):\n  return v + t\n return list(map(g, [1, 2]))",
    "class": LOOP + " class C:\n  v = t\n return C.v",
    "unpack": LOOP + " p, *q = 'abc'\n return t, p, q",
    "sort": LOOP + " v = sorted([3, 1, 2], key=lambda e: -e)\n return v, t",
    "try": LOOP + " try:\n  y = x[100]\n except IndexError as e:\n  y = str(e)\n return t, y",
    "try-else": LOOP
    + " try:\n  y = 1\n except Exception:\n  y = 2\n else:\n  y += 5\n finally:\n  z = y\n return t, y, z",
    "try-return": LOOP + " try:\n  return t\n finally:\n  x.append(1)",
    "try-reraise": LOOP + " try:\n  x[100]\n except IndexError:\n  x.append(t)\n  raise",
    "raise-from": LOOP + " try:\n  x[100]\n except IndexError as e:\n  raise ValueError('no') from e",
    "with": LOOP + " with np.errstate(all='ignore'):\n  y = np.array([t]) / 0\n return y",
    "with-suppress": " import contextlib\n"
    + LOOP
    + " with contextlib.suppress(IndexError):\n  x[100]\n  t = 3.0\n return t",
    "with-return": LOOP + " with np.errstate(all='ignore'):\n  if t > 3:\n   return x\n return t",
    "delete": LOOP + " y = {}\n del y\n return t",
    "delete-item": LOOP + " y = {1: t}\n del y[1]\n return y",
    "none": LOOP + " y = x if x is None else [t]\n return y",
    "if-object": LOOP + " y = 1\n if x:\n  y = 2\n else:\n  y = 3\n return t, y",
    "elif-object": LOOP
    + " y = 1\n if not x:\n  y = 2\n elif x[0] == 1:\n  y = 3\n elif x[1]:\n  y = 4\n return t, y",
    "and-object": LOOP + " y = 0\n if x and t > 3:\n  y = 2\n return y",
    "while-object": LOOP
    + " n = 0\n while x:\n  x.pop()\n  n += 1\n  for k in range(100):\n   t += k\n return n, t",
    "for-object": LOOP + " n = 0\n for v in x:\n  n += v\n return n, t",
    "for-items": LOOP
    + " out = []\n for k, v in {'a': 1, 'b': 2}.items():\n  out.append((k, v * t))\n return out",
    "for-else": LOOP + " for v in x:\n  if v == 2:\n   break\n else:\n  return 'none'\n return v, t",
    "in-loop": " out = []\n t = 0.0\n for i in range(a.shape[0]):\n  for j in range(a.shape[1]):\n   t += a[i, j]\n  out.append(t)\n return out",
    "rarely": " out = {}\n t = 0.0\n for i in range(100):\n  t += a[i % 3, i % 4] * 2.0 - 1.0\n  if i % 50 == 0:\n   out[i] = t\n return t, out",
    "try-in-loop": " n = 0\n t = 0.0\n for i in range(5):\n  for j in range(4):\n   t += a[0, j]\n  try:\n   v = x[i]\n  except IndexError:\n   n += 1\n   continue\n  if v == 3:\n   break\n return n, t",
    "break-in-try": " t = 0.0\n for i in range(5):\n  for j in range(4):\n   t += a[0, j]\n  try:\n   v = x[i]\n   if v == 2:\n    break\n  except IndexError:\n   v = 7\n   continue\n return v, t",
    "break-in-with": " t = 0.0\n for i in range(5):\n  for j in range(4):\n   t += a[0, j]\n  with np.errstate(all='ignore'):\n   if i == 3:\n    break\n   w = i\n return w, t",
    "return-in-loop": " t = 0.0\n for i in range(5):\n  for j in range(4):\n   t += a[0, j]\n  if i == 2:\n   return {'t': t}\n return None",
    "match": LOOP
    + " match x:\n  case [p, *q]:\n   y = q\n  case {'a': b}:\n   y = b\n  case _:\n   y = None\n return y, t",
    "list-shared": LOOP + " y = [1, 2]\n z = y\n z.append(t)\n return y",
    "list-after": LOOP + " y = [1, 2]\n y.append(3)\n n = 0\n for v in y:\n  n += v\n return n",
    "match-captures": LOOP
    + " y = None\n match x:\n  case [p, 7]:\n   y = p\n  case {'s': p, **q}:\n   y = q\n for i in range(3):\n  t += i\n return y, t, p",
    "never-true": LOOP + " if x is not None and 1 == 2:\n  class C:\n   pass\n return t",
    "maybe-array": " t = 0.0\n for i in range(4):\n  for j in range(3):\n   for k in range(9):\n    t += a[0, j] * 2.0\n   match x:\n    case {'k': v}:\n     pass\n    case _:\n     pass\n  v = a[0]\n return t, v",
    "walrus": LOOP + " if (y := x):\n  t += 1\n return y, t",
    "assert": LOOP + " assert x, 'nothing'\n return t",
    "bare-types": LOOP + " y = 'a'\n y = 2\n y = {}\n return y, t",
    "integers": " n = 0\n for i in range(10):\n  n += i\n d = {n: n + 1, 'big': n ** 30}\n return d",
    "kinds": LOOP + " y = (np.float32(2), np.int8(3), True, 1j, None, (1, 2.0))\n d = {'y': y}\n return d",
    "np-array": LOOP
    + " y = np.linspace(0, t, 5)\n z = np.array([t] * 3)\n return y, z, np.concatenate([y, z])",
    "slices": LOOP + " y = [1, 2, 3][1:]\n return y, t, a[::2, 1:].tolist()",
    "dtype": LOOP + " dt = np.float32\n return np.asarray([t], dt), {'d': dt}",
    "dtype-int": LOOP + " dt = int\n return {'d': dt, 'v': dt(t)}",
    "range": LOOP + " r = range(3)\n return {'r': r, 'n': len(r)}",
    "ellipsis": LOOP + " e = ...\n return {'e': e}",
    "starred-list": LOOP + " p, *q = 1, 2, 3\n q.append(t)\n return p, q",
    "subscript-store": LOOP + " x[0] = t\n x[1:] = [1]\n return t",
    "chained": LOOP + " y = z = {}\n y[1] = t\n return z",
    "augmented": LOOP + " y = 'a'\n y += 'b'\n x += [t]\n return y",
    "joined": LOOP + " if t > 5:\n  y = 1\n else:\n  y = 'a'\n return y",
    "named-tuple": LOOP
    + " import collections\n P = collections.namedtuple('P', 'x y')\n return tuple(P(t, 1))",
    "nothing": LOOP + " d = {'t': t}",
}


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parametrize(
    "value", [[1, 2, 3], {"s": 2.5, 0: 1}, None, Box(2), "text"], ids=lambda v: type(v).__name__
)
def test_statements(name: str, value: Any) -> None:
    # None and a string have static types: some of the bodies are native with them
    tier = None if value is None or isinstance(value, str) else "mixed"
    mixed(STATEMENTS[name], ARRAY, value, tier=tier)


def test_annotations_give_types() -> None:
    source = (
        "def f(cfg, a):\n s: float = cfg['s']\n n: int = cfg['n']\n w: float64[:] = cfg['w']\n t = 0.0\n"
        " for i in range(n):\n  t += w[i] * s\n return t\n"
    )
    from numlift import float64

    f = define(source, "f", float64=float64)
    for cfg in (
        {"s": 2.0, "n": 3, "w": np.arange(4.0)},
        {"s": 2.0, "n": 9, "w": np.arange(4.0)},
        {"s": 2.0, "n": 0, "w": np.arange(8.0)[::2]},
        {"n": 1},
    ):
        check(f, cfg, ARRAY, tier="mixed")


@pytest.mark.parametrize(
    ("annotation", "value", "found"),
    [
        ("float", 2, "int"),
        ("int", True, "bool"),
        ("int", "a", "str"),
        ("float", np.float64(1), "float64"),
        ("float64[:, :]", np.zeros(3), "float64"),
        ("float64[:]", [1.0], "list"),
    ],
)
def test_a_wrong_annotation_is_an_error(annotation: str, value: Any, found: str) -> None:
    from numlift import float64

    source = f"def f(d, n):\n t = 0\n for i in range(n):\n  t += i\n x: {annotation} = d['x']\n return x\n"
    f = jit(define(source, "f", float64=float64))
    with pytest.raises(TypeError, match=f"`x` is annotated as .*, its value is of type .*{found}") as e:
        f({"x": value}, 3)
    last = traceback.extract_tb(e.value.__traceback__)[-1]
    assert (last.name, last.lineno) == ("f", 5)


def test_a_wrong_annotation_stops_before_the_next_statement() -> None:
    source = (
        "def f(d, n):\n t = 0\n for i in range(n):\n  t += i\n x: float = d['x']\n y: int = d['y']\n"
        " d['done'] = True\n return x, y\n"
    )
    f = jit(define(source))
    for d, line in (({"x": 1, "y": 2}, 5), ({"x": 1.0, "y": 2.0}, 6)):
        with pytest.raises(TypeError, match="is annotated as") as e:
            f(d, 3)
        assert traceback.extract_tb(e.value.__traceback__)[-1].lineno == line and "done" not in d


UNBOUND = {
    "read": " if t > 1e9:\n  y = {}\n return y",
    "kept": " if t > 1e9:\n  y = {}\n if t > 1e9:\n  print(y)\n return t",
    "deleted": " y = {}\n del y\n return y",
    "in-try": " try:\n  y = x[9]\n except IndexError:\n  pass\n z = {}\n return y",
    "handler": " try:\n  x[9]\n except IndexError as e:\n  pass\n return e",
    "deleted-twice": " y = {}\n del y\n del y\n",
    "maybe-deleted": " y = {}\n if t > 3:\n  del y\n return y",
    "never": " z = [w for w in x]\n return q\n q = 1",
    "for": " for v in {}:\n  pass\n return v",
    "native-for": " for v in range(0):\n  pass\n return {'v': v}",
}


@pytest.mark.parametrize("name", UNBOUND)
def test_unbound_variables(name: str) -> None:
    mixed(LOOP + UNBOUND[name], ARRAY, [1])


def test_tracebacks_have_the_users_lines() -> None:
    source = (
        "def g(d):\n return d['missing']\n"
        "def f(d, a):\n t = 0.0\n for i in range(3):\n  t += a[i, 0]\n d['t'] = t\n\n y = g(d)\n return y\n"
    )
    f = define(source, "f")
    check(f, {}, ARRAY, tier="mixed")
    with pytest.raises(KeyError) as e:
        jit(f)({}, ARRAY)
    frames = [(s.name, s.lineno) for s in traceback.extract_tb(e.value.__traceback__)]
    assert frames[-2:] == [("f", 9), ("g", 2)]


def test_exceptions_have_the_context_of_their_caller() -> None:
    source = (
        "def f(d, a):\n for i in range(3):\n  a[i] = i\n if d['n'] == 1:\n  raise ValueError('native')\n"
        " if d['n'] == 2:\n  del x\n return a[d['n']]\n x = 1\n"
    )
    f = jit(define(source, "f"))
    for n in (1, 2, 7):
        outer = OSError("outside")
        with pytest.raises((ValueError, UnboundLocalError, IndexError)) as e:
            try:
                raise outer
            except OSError:
                f({"n": n}, np.zeros(3))
        assert e.value.__context__ is outer and e.value.__cause__ is None
    native = jit(define("def f(n):\n if n:\n  raise ValueError('native')\n return n\n"))
    with pytest.raises(ValueError) as e2:
        try:
            raise outer
        except OSError:
            native(1)
    assert e2.value.__context__ is outer and native.tier(1) == "native"


def test_names_of_nested_functions() -> None:
    body = LOOP + " def g(v):\n  return v\n d = {'g': g}\n return d['g'].__qualname__, d['g'].__name__"
    mixed(body, ARRAY, 1)


def test_a_function_may_name_itself_and_its_class() -> None:
    loop = "   t = 0.0\n   for i in range(3):\n    t += a[i, 0]\n"
    source = (
        "class C:\n k = 2\n class D:\n  def f(self, n, a):\n"
        f"{loop}   g = lambda z: C.k + z\n   return [t, C.__name__, C.D.__qualname__, g(1), g.__qualname__]\n"
        f"def f(n, a):\n{loop.replace('   t', ' t', 1).replace('   for', ' for')}"
        " d = {t: n}\n return [d, f.__name__] + (f(n - 1, a) if n else [])\n"
        "def make():\n def rec(n, a):\n"
        f"{loop.replace('   t', '  t', 1).replace('   for', '  for')}"
        "  d = {t: n}\n  return [d, rec.__name__] + (rec(n - 1, a) if n else [])\n return rec\n"
    )
    f = define(source, "f")
    make, cls = f.__globals__["make"], f.__globals__["C"]
    check(f, 2, ARRAY, tier="mixed")
    check(make(), 2, ARRAY, tier="mixed")
    method = cls.D.f
    compiled = jit(method)
    assert compiled(cls.D(), 1, ARRAY) == method(cls.D(), 1, ARRAY)
    assert compiled.tier(cls.D(), 1, ARRAY) == "mixed"


def test_private_names_are_those_of_the_class() -> None:
    source = (
        "class C:\n def __init__(self):\n  self.__v = {'a': 2.0}\n"
        " def f(self, a):\n  t = 0.0\n  for i in range(3):\n   t += a[i, 0]\n  self.__v['t'] = t\n"
        "  return self.__v\n"
    )
    cls: Any = define(source, "C")
    jitted = jit(cls.f)
    assert jitted.tier(cls(), ARRAY) == "mixed"
    assert jitted(cls(), ARRAY) == cls().f(ARRAY)


def test_private_names_in_functions_of_methods() -> None:
    source = (
        "class C:\n __v = 3\n def m(self):\n  def f(a, x):\n"
        "   t = 0.0\n   for i in range(3):\n    t += a[i, 0]\n   return {'v': x.__v, 't': t}\n  return f\n"
    )
    cls: Any = define(source, "C")
    f = jit(cls().m())
    assert f.tier(ARRAY, cls()) == "mixed"
    assert f(ARRAY, cls()) == cls().m()(ARRAY, cls())


def test_functions_and_classes_that_use_their_own_name() -> None:
    body = (
        " d = {'t': t}\n if x > 0:\n  d['f'] = f(a, x - 1)\n for i in range(3):\n  t += a[i, 0]\n return d, t"
    )
    mixed(body, ARRAY, 2)
    method = (
        "class C:\n __v = 3\n def f(self, a):\n  t = 0.0\n  for i in range(3):\n   t += a[i, 0]\n"
        "  return {'t': t, 'v': C().__v}, type(self) is C\n"
    )
    outer = "def outer():\n" + textwrap.indent(method, " ") + " return C\n"
    for cls in (define(method, "C"), define(outer, "outer")()):
        f = jit(cls.f)
        assert f.tier(cls(), ARRAY) == "mixed"
        assert f(cls(), ARRAY) == cls().f(ARRAY)


LAYOUTS = {
    "text": "if True:\n def f(a, x):\n  d = {'s': '''a\n    b\n   \n  c'''}\nLOOP  return d, t\n",
    "comment": "if True:\n def f(a, x):\nLOOP# at the margin\n  return {'t': t}\n",
    "tab": "if True:\n\tdef f(a, x):\nTABS\t\té = 'é'; d = {é: t}; t = 1\n\t\treturn d, t\n",
    "form-feed": "\fdef f(a, x):\n d = {'s': '\f\x0b'}; e = [x]\n\fTOP return d, e, t\n",
    "continuation": "def f(a, x):\nTOP d = \\\n  {'t': t}; \\\n  e = {}\n return d, \\\n  e\n",
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_of_source(name: str) -> None:
    indented = textwrap.indent(LOOP, " ")
    tabs = re.sub("^ +", lambda m: "\t" * len(m[0]), indented, flags=re.MULTILINE)
    source = LAYOUTS[name].replace("TOP", LOOP).replace("LOOP", indented).replace("TABS", tabs)
    check(define(source, "f"), ARRAY, 1, tier="mixed")


@pytest.mark.parametrize("way", ["break", "continue"])
def test_a_handler_that_is_left_unbinds_its_name(way: str) -> None:
    body = (
        " e = 5\n for k in range(3):\n  for m in range(9):\n   t += m\n  try:\n   x[k]\n"
        f"  except IndexError as e:\n   {way}\n return t, e"
    )
    mixed(LOOP + body, ARRAY, [1])
    mixed(LOOP + body, ARRAY, [1, 2, 3])


DELETED = {
    "suppressed": " with S:\n  del q\n  x['q']\n return t, q",
    "caught": " try:\n  del q\n  x['q']\n except KeyError:\n  t += 1\n return t, q",
    "continue": LOOPS + "  try:\n   del q\n   x['q']\n  except KeyError:\n   continue\n return t, q",
    "bound-again": LOOPS
    + "  try:\n   del q\n   x['q']\n  except KeyError:\n   q = k\n   break\n return t, q",
    "handler": LOOPS
    + "  try:\n   try:\n    x['q']\n   except KeyError as q:\n    x['r']\n  except KeyError:\n"
    "   continue\n return t, q",
    "finally": " try:\n  try:\n   x['q']\n  except KeyError as q:\n   x['r']\n  finally:\n   t += 5\n"
    " except KeyError:\n  pass\n return t, q",
}


@pytest.mark.parametrize("name", DELETED)
@pytest.mark.parametrize("before", ["", " q = 1\n", " q = {}\n"])
def test_variables_that_an_exception_leaves_unbound(name: str, before: str) -> None:
    mixed(LOOP + before + DELETED[name], ARRAY, {}, S=contextlib.suppress(KeyError))
    mixed(LOOP + before + DELETED[name], ARRAY, {"q": 1}, S=contextlib.suppress(KeyError))


def test_closures_and_globals_are_read_again() -> None:
    source = (
        "scale = 2.0\n"
        "def change():\n global scale\n scale = scale * 10.0\n"
        "def f(n):\n t = 0.0\n for i in range(n):\n  t += scale\n"
        " d = {'x': change()}\n for i in range(n):\n  t += scale\n return t\n"
    )
    wanted = define(source, "f")(3)
    assert jit(define(source, "f"))(3) == wanted
    source = (
        "def outer():\n v = 1.0\n def bump():\n  nonlocal v\n  v += 1.0\n"
        " def f(n):\n  t = 0.0\n  for i in range(n):\n   t += v\n  d = {'x': bump()}\n"
        "  for i in range(n):\n   t += v\n  return t\n return f\n"
    )
    outer = define(source, "outer")
    assert jit(outer())(3) == outer()(3)


ASSIGNED = {
    "count": "G += 1\n  return t, G",
    "cache": "if H is None:\n   H = {}\n  H[t] = x\n  return t, H",
    "new": "N = t\n  return N",
    "other-type": "G = 1.5\n  return t, G",
    "natively-read": "G = G + 2\n  for i in range(G):\n   for j in range(9):\n    t += G\n  return t, G",
    "float": "F *= 2.0\n  for i in range(3):\n   for j in range(9):\n    t += F\n  return t, F",
    "closure": "c += 3\n  d = x\n  for i in range(c):\n   t += c\n  return t, c, d",
    "deleted": "del G\n  G = 3\n  return t, G",
    "def": "\n  def G(y):\n   return y + t\n  return t, G(2)",
    "class": "\n  class G:\n   y = t\n  return t, G.y",
    "import": "import json as G\n  return t, G.dumps(1)",
    "except": "try:\n   [][2]\n  except IndexError as G:\n   x = str(G)\n  try:\n   return t, G\n  except NameError as e:\n   return str(e)",
    "for": "\n  for G in range(4):\n   pass\n  return t, G",
    "unpacked": "G, c = 7, 8\n  return t, G, c",
    "with": "\n  with np.errstate(all='ignore') as H:\n   pass\n  return t, H",
    "walrus": "\n  if (G := 4) > 3:\n   t += G\n  return t, G",
    "lambda": "g = lambda: G\n  G = 5\n  t += g()\n  return t, G",
    "raised": "G = x\n  raise ValueError(G)",
}


@pytest.mark.parametrize("name", ASSIGNED)
def test_assigned_names_outside(name: str) -> None:
    loop = LOOP.replace(" t", "  t", 1).replace("\n ", "\n  ").rstrip(" ")
    source = (
        "G, F, H = 1, 0.5, None\ndef make():\n c, d = 1, None\n def f(a, x):\n  global G, F, H, N\n  nonlocal c, d\n"
        f"{loop}  {ASSIGNED[name].lstrip()}\n return f\n"
    )
    plain, compiled = define(source, "make"), define(source, "make")
    f, g = plain(), jit(compiled())
    for x in (1, 2, 2.5):
        compare(outcome(f, (ARRAY, x)), outcome(g, (ARRAY, x)), set())
        kept = [{k: v for k, v in m.__globals__.items() if k in "GFHN"} for m in (plain, compiled)]
        if name not in ("def", "class"):
            assert same(*kept)
    assert g.tier(ARRAY, 1) == "mixed"


def test_what_native_code_has_read_may_change() -> None:
    """An exit: natively nothing goes on with what is not so any more."""
    source = (
        "def f(a, d):\n t = 0.0\n for i in range(a.shape[0]):\n  t += a[i]\n"
        " d['f'](a)\n for i in range(a.shape[0]):\n  t += a[i]\n return t\n"
    )
    f = jit(define(source, "f"))

    def narrow(a: Any) -> None:
        a.resize(2, refcheck=False)

    def lock(a: Any) -> None:
        a.flags.writeable = False

    assert f(np.arange(5.0), {"f": len}) == 20.0
    for change in (narrow, lock):
        a = np.arange(50.0)
        try:
            got = f(a, {"f": change})
        except OverflowError as e:
            assert "changed" in str(e)
        else:
            assert got == f.py_func(np.arange(50.0), {"f": change})


def test_references_are_balanced() -> None:
    source = (
        "def f(d, a, n):\n t = 0.0\n last = None\n for i in range(n):\n  for j in range(4):\n   t += a[0, j]\n"
        "  d['x'] = (a, i, last)\n  last = d['k']\n  if i == 3:\n   last = [a]\n  if i > 1 and d['stop']:\n"
        "   raise ValueError('stop')\n v = a[1:]\n return last, v\n"
    )
    f = jit(define(source, "f"))
    key = Box(1)
    a = np.arange(12.0).reshape(3, 4)
    for stop in (False, True):
        d = {"k": key, "stop": stop, "x": None}
        for _ in range(3):
            outcome(f, (d, a, 6))
        assert f.tier(d, a, 6) == "mixed"

        def run(d: Any = d) -> None:
            for _ in range(2000):
                try:
                    f(d, a, 6)
                except ValueError:
                    pass
            d["x"] = None

        run()
        gc.collect()
        before = sys.getrefcount(key), sys.getrefcount(a), sys.getrefcount(None)
        run()
        gc.collect()
        after = sys.getrefcount(key), sys.getrefcount(a), sys.getrefcount(None)
        assert before[:2] == after[:2] and abs(before[2] - after[2]) < 200


def test_objects_die_with_their_variables() -> None:
    source = (
        "def f(n, make, seen):\n t = 0\n for i in range(n):\n  t += i\n x = make()\n seen.append(x)\n"
        " del x\n y = seen[0]\n return t\n"
    )
    f = jit(define(source, "f"))
    seen: list[Any] = []
    assert f(3, lambda: Box(1), seen) == 3
    ref = weakref.ref(seen.pop())
    gc.collect()
    assert ref() is None


def test_wholly_dynamic_functions_are_the_interpreters() -> None:
    f = jit(define("def f(d):\n d['x'] = 1\n return d\n"))
    with pytest.warns(UserWarning, match="NL"):
        assert f.tier({}) == "interpreter"
    g = jit(define("def g(d, n):\n for i in range(n):\n  d[i] = i\n return d\n"))
    with pytest.warns(UserWarning, match="NL"):
        assert g.tier({}, 3) == "interpreter"


def test_strict_refuses() -> None:
    from numlift import CompileError

    f = njit(define(f"def f(a, x):\n{LOOP} return {{'t': t}}\n", "f"))
    with pytest.raises(CompileError, match="NL2007"):
        f(ARRAY, 1)
    g = njit(define(f"def f(a, x):\n{LOOP} return t + len(x)\n", "f"))
    with pytest.raises(CompileError, match="argument `x` is a dict"):
        g(ARRAY, {})


@pytest.mark.parametrize(
    ("body", "tier"),
    [
        (" y = locals()\n return sorted(y)", "interpreter"),
        (" y = eval('t + 1')\n return y", "interpreter"),
        (" k = 1\n g = lambda: k\n d = {'g': g}\n k = 2\n return d['g'](), t", "interpreter"),
        (" fs = []\n for k in range(3):\n  fs.append(lambda: k)\n return [g() for g in fs]", None),
        (
            " for k in range(3):\n  for j in range(9):\n   t += k\n  try:\n   if k == 1:\n    break\n  finally:\n   t = 5.0\n return t",
            None,
        ),
        (
            " q = 0\n for k in range(3):\n  for j in range(9):\n   t += k\n  with np.errstate():\n   try:\n    if k == 1:\n"
            "     break\n   finally:\n    q += 5\n return t, q",
            "interpreter",
        ),
    ],
)
def test_what_islands_cannot_hold_runs_as_a_whole(body: str, tier: str | None) -> None:
    check(define(f"def f(a, x):\n{LOOP}{body}\n", "f"), ARRAY, 1, tier=tier)


def test_islands_do_not_hold_the_lock_of_the_random_generator() -> None:
    """An island may wait for a thread that draws random numbers."""
    source = (
        "def f(n, draw):\n t = 0.0\n for i in range(n):\n  t += np.random.random()\n d = {'other': draw()}\n"
        " for i in range(n):\n  t += np.random.random()\n return t, d\n"
    )

    def draw() -> float:
        drawn: list[float] = []
        thread = threading.Thread(target=lambda: drawn.append(np.random.random()), daemon=True)
        thread.start()
        thread.join(20)
        return drawn[0]

    check(define(source, "f"), 3, draw, tier="mixed", seed=1)


def test_islands_call_their_own_function() -> None:
    source = (
        "def f(d, a, n):\n t = 0.0\n for i in range(a.shape[0]):\n  t += a[i]\n if n > 0:\n  d['r'] = f(d, a, n - 1)\n"
        " d[n] = t\n return t, d.get('r')\n"
    )
    check(define(source, "f"), {}, np.arange(4.0), 3, tier="mixed")
    source = (
        "def outer():\n def f(d, a, n):\n  t = 0.0\n  for i in range(a.shape[0]):\n   t += a[i]\n  if n > 0:\n"
        "   d['r'] = f(d, a, n - 1)\n  d[n] = t\n  return t, d.get('r')\n return f\n"
    )
    check(define(source, "outer")(), {}, np.arange(4.0), 3, tier="mixed")
    source = (
        "class C:\n made = 0\n def f(self, a):\n  t = 0.0\n  for i in range(a.shape[0]):\n   t += a[i]\n  C.made += 1\n"
        "  d = {'c': C, 'v': type(self) is C}\n  return t, d['v'], d['c'].__name__\n"
    )
    cls: Any = define(source, "C")
    assert jit(cls.f)(cls(), np.arange(4.0)) == (6.0, True, "C") and cls.made == 1


def test_signatures_of_mixed_functions() -> None:
    source = "def f(a, n):\n t = 0.0\n for i in range(n):\n  t += a[i]\n return {'t': t}\n"
    f = jit("(float64[::1], int64)")(define(source))
    assert f.signatures == [("float64[::1]", "int")]
    assert f(np.arange(4.0), 3) == {"t": 3.0} and [s.tier for s in f.specializations] == ["mixed"]
