"""Statements besides control flow: del, walrus, annotations, assert and raise with messages, match."""

from typing import Any

import numpy as np
import pytest

from harness import check, define, jit

A = np.arange(6.0)
B = np.arange(12.0).reshape(3, 4)

CASES = [
    ("def f(a):\n if (b:=a[1:]).size>2: return b[0]\n return b[-1]", A),
    ("def f(a):\n while (t:=(a,1))[0]>3: a-=1\n return t", 7),
    ("def f(a):\n s=0.0\n for i in range(3):\n  s+=(b:=a*0+i if False else a)[i]\n return s,b", A),
    ("def f(a):\n return (b:=a[::2])[0]+(b:=a[1::2])[0]+b[1]", A),
    ("def f(a):\n b=a\n del b\n return a", 1),
    ("def f(a):\n b=a\n del b\n return b", 1),
    ("def f(a):\n if a>0:\n  b=1\n del b\n return a", 0),
    ("def f(a):\n if a>0:\n  b=1\n del b\n return a", 1),
    ("def f(a):\n b=a.copy()\n c=b[0]\n del b,a\n return c", A),
    ("def f(a):\n for i in range(3):\n  x=a[i]\n  del x\n x=1\n return x", A),
    ("def f(a):\n x: int\n y: float = a\n x=3\n return x+y", 1),
    ("def f(a):\n x: int\n return x", 1),
    ("def g(a):\n a[0]+=1\n return a[0]\ndef f(a): return 0<g(a)<g(a)<5", A),
    (
        "def f(n):\n a=np.ones(n)\n s=0.0\n for x in a:\n  s+=x\n  a=np.zeros(n)\n  b=np.full(n,7.0)\n return s,a",
        3,
    ),
    (
        "def f(n):\n a=np.ones(n)\n s=0.0\n for x in a:\n  s+=x\n  if s<2: del a\n  b=np.full(n,7.0)\n return s",
        3,
    ),
    ("def f(n):\n a=np.ones(n)\n return a[int((a:=np.full(n,7.0))[0])-7]", 3),
]

RAISES = [
    ("def f(a):\n assert a<0, a\n return 1", 1),
    ("def f(a):\n assert a<0, f'bad {a}'\n return 1", -1),
    ("def f(a):\n assert a<0, 'bad %d'%3\n return 1", 1),
    ("def f(a):\n assert a<0, ('x',1)\n return 1", 1),
    ("def f(a):\n if a: raise ValueError(f'x {1} y')\n return 1", 1),
    ("def f(a):\n if a: raise ValueError('x'+' y')\n return 1", 1),
    ("def f(a):\n if a: raise ValueError('x %s %d'%('a',2))\n return 1", 1),
    ("def f(a):\n if a: raise ValueError('x {} {}'.format('a',2))\n return 1", 1),
    ("def f(a):\n if a: raise ValueError('x') from None\n return 1", 1),
    ("def f(a):\n if a: raise ValueError('x') from KeyError('y')\n return 1", 1),
    ("E=ValueError\ndef f(a):\n if a: raise E('x',1,2.5)\n return 1", 1),
    ("def f(a):\n if a: raise ValueError\n return 1", 1),
    ("def f(a):\n if a: raise IndexError()\n return 1", 1),
    ("N=3\ndef f(a):\n if a: raise ValueError(f'N is {N}')\n return 1", 1),
    ("def f(a):\n if a: raise ValueError(f'a is {a}')\n return 1", 1),
    ("def f(a):\n if a: raise ValueError('a is', a)\n return 1", 1),
    ("def f(a):\n if a: raise NotImplementedError\n return 1", 1),
    ("import builtins\ndef f(a):\n if a: raise builtins.ValueError('x')\n return 1", 1),
    ("def f(a):\n if a.ndim!=1: raise ValueError('need 1-D, not %d-D'%a.ndim)\n return 1", B),
    (
        "def f(a,n):\n if n: raise ValueError(f'bad {n} {n!r:>5} {a.shape} {len(a)} {a.dtype}', n, (n,2.5))\n return a",
        B,
        3,
    ),
    ("def f(a,n):\n raise ValueError('n=%d, x=%g' % (n, a)) from TypeError(f'{n}')", 1.5, 3),
    ("def f(a,n):\n raise ValueError('n={} x={}'.format(n, a))", np.float32(1.5), True),
    ("def f(a,n):\n raise ValueError(str(n) + ' ' + repr(a))", np.float32(1.5), 2j),
    ("def f(a,n):\n raise ValueError(('x',\n   n), # c\n   'a'\n   'b')", np.float32(1.5), 2j),
    ("K=4\nM='mode'\ndef f(a,n):\n raise IndexError(f'{K} {M} {np.pi:.3f} {math.e}')", np.float32(1.5), 2j),
    ("def f(a,n):\n if n>2: s=1\n raise IndexError(f'{s}')", np.float32(1.5), 2),
    ("def f(a,n):\n if n>1: s=1\n raise IndexError(f'{s}')", np.float32(1.5), 2),
    ("def f(a,n):\n assert n<1, f'{n=} {a:.2f}'\n return 1", np.float32(1.5), 2),
    ("def f(a,n):\n assert n<1, ('t', n)\n return 1", np.float32(1.5), 2),
    ("def f(a,n):\n raise ValueError(f'{n:d}')", np.float32(1.5), 2.5),
    ('def f(a,n):\n raise ValueError(f"it\'s {n} \\n {{}}")', np.float32(1.5), 2.5),
    ("def f(a,n):\n raise ValueError(n if n>2 else a)", np.float32(1.5), 2.5),
    ("def f(a,n):\n for i in range(n):\n  if i==1: raise StopIteration(i)\n return a", np.float32(1.5), 2),
    ("def f(a,n):\n raise KeyError('x') from None", np.float32(1.5), 2),
    ("def f(a,n):\n raise KeyError from ValueError", np.float32(1.5), 2),
    ("def f(n):\n def g(k):\n  if k>n: raise ValueError(f'{k} > {n}')\n  return k\n return g(n)+g(n+1)", 2),
]
INTERPRETED = [
    ("class E(ValueError): pass\ndef f(a):\n if a: raise E('x')\n return 1", 1),
    ("def f(a,n):\n raise IndexError(f'{g(n)}')", np.float32(1.5), 2),
    ("def f(a,n):\n b=np.zeros(n)\n raise IndexError(f'{b.shape} {b.sum()}')", np.float32(1.5), 2),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_native(case: tuple[Any, ...]) -> None:
    source, *args = case
    check(define(source, "f"), *args)


@pytest.mark.parametrize("case", RAISES, ids=lambda case: case[0])
def test_raise(case: tuple[Any, ...]) -> None:
    source, *args = case
    error = check(define(source, "f"), *args)
    if isinstance(error, BaseException):
        with pytest.raises(type(error)) as found:
            jit(define(source, "f"))(*args)
        assert found.value.args == error.args
        assert found.value.__suppress_context__ == error.__suppress_context__
        assert type(found.value.__cause__) is type(error.__cause__)
        assert str(found.value.__cause__) == str(error.__cause__)


@pytest.mark.parametrize("case", INTERPRETED, ids=lambda case: case[0])
def test_interpreted(case: tuple[Any, ...]) -> None:
    source, *args = case
    check(define(source, "f"), *args, tier="interpreter")
