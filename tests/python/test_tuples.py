"""Tuples and starred lists of static length: items, slices, comparison, membership, spreading."""

from typing import Any

import numpy as np
import pytest

from harness import check, define

A = np.arange(6.0)
B = np.arange(12.0).reshape(3, 4)
C = np.arange(24).reshape(2, 3, 4)

CASES = [
    ("def f(a,b,c):\n t=(a,b,c,4)\n x,*y,z=t\n return x,z,len(y),y[0],y[-1]", 1, 2.0, 3),
    ("def f(a,b,c):\n x,*y=a,b,c\n s=0\n for v in y: s+=v\n return s", 1, 2.0, 3),
    ("def f(a,b):\n t=(a,b)\n return (*t,1,*t)", 1, 2.0),
    ("def g(a,b,c=3): return a+b*c\ndef f(a,b):\n t=(a,b)\n return g(*t), g(1,*(a,)), g(*t,c=1)", 1, 2.0),
    ("def f(t):\n a,*b=t\n return b", (1, 2, 3)),
    ("def f(t):\n *a,(b,c)=t\n return a,b,c", (1, 2, (3, 4))),
    ("def f(a,b,i):\n t=(a,b,1)\n return t[i]", 1.5, 2, 1),
    ("def f(a,b,i):\n t=(a,b,1)\n return t[i]", 1.5, 2, -1),
    ("def f(a,b,i):\n t=(a,b,1)\n return t[i]", 1.5, 2, 5),
    ("def f(a,b):\n s=0\n for x in (a,b,True,2j): s=s+x\n return s", 1.5, 2),
    ("def f(a,b):\n s=0\n for x in (a,b,3): s=s+x\n return s", 1.5, 2),
    ("def f(a,b):\n t=(a,b,3,4)\n return t[1:],t[:-1],t[::2],t[::-1],t[-3:-1],t[5:]", 1.5, 2),
    ("def f(a,b):\n t=(a,b,3)\n return t[-1],t[-3]", 1.5, 2),
    ("def f(a,b):\n t=(a,b,3)\n return t[3]", 1.5, 2),
    (
        "def f(a,b): return (a,b)==(1,2), (a,b)!=(1,2), (a,b)<(1,3), (a,b)<=(1,2), (a,b)>(0,9), (a,b)>=(1,2,3)",
        1,
        2.0,
    ),
    ("def f(a,b): return (a,(b,1))==(1,(2,1)), (a,)==(a,b), ()==()", 1, 2.0),
    ("def f(a,b): return (a,b)<(float('nan'),1)", 1, 2.0),
    ("def f(a,b): return a in (1,2,3), a not in (1,b), b in ()", 1, 2.0),
    ("def f(a): return True in range(3)", 1),
    ("def f(a,x): return x in a, x not in a", A, 3),
    ("def f(a,x): return x in a, x not in a", B, 3.0),
    ("def f(a,x): return x in a, x not in a", C, 7),
    ("def f(a,b): return (a,b)*2, 3*(a,), (a,)*0, (a,)*-1", 1, 2.0),
    ("def f(a): return len(a), len((1,2)), len('abc'), len(range(7)), len(range(0,10,3))", B),
    ("def f(a): return a+(1,)+(2.0,a[0])", (1, 2)),
    ("def f(a):\n t=()\n t+=(1,)\n t+=(2,)\n return t", A),
    ("def f(t):\n if t: return 1\n return 0", ()),
    (
        "def f(a,b):\n x=float('nan') if False else a\n return (x,)==(x,), x in (x,), (x,b)<(x,1)",
        float("nan"),
        2,
    ),
    (
        "def f(a,b): return (np.float64(a),b)<(b,a), (b,np.float32(a))>=(b,1), (1,)<(1,2), (1,2)<(1,), (a,)<=(a,)",
        1.5,
        2,
    ),
    ("def f(a,b): return ('x',a)==('x',b), ('x',a)==('y',a), (None,a)==(None,a), (None,1)==(1,None)", 1.5, 2),
    ("def f(a,b): return ((1,a),b)<((1,b),a), ((1,a),b)==((1,a),b)", 1.5, 2),
    ("def f(a,b): return (1,2) in ((1,2),(a,b)), (a,b) in ((1,2),(a,b))", 1.5, 2),
    (
        "def f(i): return i in range(10,-10,-3), i in range(-9223372036854775808,9223372036854775807,7), i in range(5,5)",
        -9223372036854775808 + 14,
    ),
    ("def f(i): return i in range(10,-10,-3), i in range(2,20,3)", 4),
    ("def f(i): return i in range(10,-10,-3), i in range(2,20,3)", np.uint8(4)),
    ("def f(i): return True in range(2), False in range(1,2), np.int8(i) in range(-5,5)", 4),
    ("def f(a,t):\n x,*y=t\n return y", A, ((1, 2), 3.0, A)),
    ("def f(a,t):\n x,*y=t\n return x,y", A, ((1, 2), 3.0, A)),
    ("def f(t):\n *x,=t\n x2=x[1:]\n return x2,len(x),x[0]", (1, 2, 3)),
    (
        "def f(t):\n x,*y=t\n z,w=y\n s=0\n for i,v in enumerate(y): s+=i*v\n for v in reversed(y): s+=v\n return z,w,s,y[s%2],3 in y,[]==y if False else 1",
        (1, 2, 3),
    ),
    ("def f(t,i):\n x,*y=t\n return y[i]", (1, 2, 3), 2),
    ("def f(t,i):\n x,*y=t\n return y[5]", (1, 2, 3), 2),
    ("def f(t):\n x,*y=t\n if y: return 1\n return 2", (1,)),
    ("def f(a,b,i):\n t=((a,b),(b,a))\n return t[i]", 1.5, 2, 1),
    ("def f(a,b,i):\n t=(a,b)\n return t[i].sum()", A, A[::2], 1),
    ("def f(a,b,i):\n t=(a,b)\n t[i][0]=9.0\n return a", A, A[::2], 0),
    ("def f(a,b):\n s=0.0\n for r in (a,b):\n  for x in r: s+=x\n return s", A, A[::2]),
    ("def f(a): return ()[a]", 1),
    ("def f(a):\n t=(1,2)\n return t[2] if a else 5", 1),
    ("def f(a):\n t=(1,2)\n return t[2] if a else 5", 0),
    ("def g(a,b,c): return a+b*c\ndef f(x,y): return g(*(x,y),*(y,)), g(x,*(y,),c=5)", 1, 2),
    ("def f(x,y): return (1,*(x,y),*())", 1, 2),
    ("def f(x):\n t=(x,)*3\n t=t*2\n return t,(0,)*x.ndim,x.ndim*(1,)", B),
    ("def f(x):\n a,b,*c=x.shape\n return a*b,c", C),
    ("def f(x): return x in (1,2.5,True), x in (np.float32(2.5),)", 2.5),
    ("def f(x,y):\n if (x,y) in ((0,1),(1,0)): return 1\n return 2", 1, 0),
    ("def f(x): return x.shape == (3,4), x.shape != (3,4), x.shape[0:1], x.shape[::-1], x.shape[-1]", B),
    ("def f(x): return x.shape[:x.ndim-1] + (5,)", B),
]
# Types that depend on values, lists that are changed or returned twice.
INTERPRETED = [
    ("def f(a): return a in range(3), a in range(5,0,-2), 2.0 in range(3), 2.5 in range(a)", 1),
    ("def f(a,b): return a in (1,2j), 2j in (a,b), a in (b,(1,2))", 1.5, 2),
    ("def f(t):\n x,*y=t\n return y,y", (1, 2, 3)),
    ("def f(t):\n x,y,*z=t\n return x", (1,)),
    ("def f(t):\n x,*y=t\n y.append(3)\n return y", (1,)),
    ("def f(a,b):\n for x in (a,(b,)): pass\n return 1", 1, 2),
    ("def f(a): return (1,2,3)[np.int8(a)], (1,2,3)[True]", 1),
    ("def f(x,y):\n def g(*a): return a\n return g(x)", 1, 2),
    ("def g(a,b,c): return a+b*c\ndef f(x,y): return g(*(x,y),*(y,)), g(*(x,y,1,2))", 1, 2),
    ("def f(x): return (1,*range(x))", 2),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_native(case: tuple[Any, ...]) -> None:
    source, *args = case
    check(define(source, "f"), *args)


@pytest.mark.parametrize("case", INTERPRETED, ids=lambda case: case[0])
def test_interpreted(case: tuple[Any, ...]) -> None:
    source, *args = case
    check(define(source, "f"), *args, tier="interpreter")


VALUES = [0, 1, -1, 0.0, 1.5, float("nan"), True, np.float64(1.5), np.int32(1), np.float32("nan"), 2j]


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">="])
def test_comparisons(op: str) -> None:
    f = define(
        f"def f(a, b, c, d): return (a, b) {op} (c, d), (a, (b,)) {op} (c, (d,)), (a,) {op} (c, d)\n", "f"
    )
    for a in VALUES:
        for b in (1, 1.5):
            check(f, a, b, 1, b, tier=None, repeat=1)
            check(f, b, a, b, a, tier=None, repeat=1)


def test_membership() -> None:
    f = define("def f(x, a, b): return x in (a, b), x not in (a, b, 1), (x, 1) in ((a, b), (b, a))\n", "f")
    for x in VALUES:
        check(f, x, 1, 1.5, tier=None, repeat=1)
        check(f, 1, x, x, tier=None, repeat=1)


@pytest.mark.parametrize("index", range(-4, 5))
def test_mixed_items(index: int) -> None:
    f = define("def f(a, b, i):\n t = (a, b, 1, np.float32(2))\n return t[i]\n", "f")
    check(f, 1.5, True, index)
    check(f, 1, 2, np.int64(index))


@pytest.mark.parametrize(
    "text",
    [
        "a == None",
        "a != None",
        "1 if a == None else 2",
        "None in (a,)",
        "a in (None,)",
        "(a, None) == (None, a)",
        "(a, 1) == (None, 1)",
        "'x' in (a,)",
        "not a",
        "a is None, a is not None, a[0] == None, (a,) == None",
    ],
)
def test_arrays_compare_by_element(text: str) -> None:
    """None and strings equal no number, but an array answers for each of its elements."""
    check(define(f"def f(a): return {text}\n"), A, tier=None)
