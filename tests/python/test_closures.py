"""Nested functions and lambdas: captures, defaults, recursion, as arguments and results."""

from typing import Any

import numpy as np
import pytest

from harness import check, define

A = np.arange(6.0)

CASES = [
    ("def f(x):\n def g(y,k=2): return x*y+k\n return g(3),g(3,4),g(3,k=1.5)", 1.5),
    ("def f(x):\n g=lambda y,k=x: y*k\n x=10\n return g(3)", 1.5),
    ("def f(x):\n def g(y): return x*y\n a=g(1)\n x=2.5\n return a,g(1)", 1),
    ("def h(g,x): return g(x)+1\ndef f(x):\n return h(lambda y:y*x, 2.0)", 1.5),
    ("def h(g,x): return g(x)+1\ndef k(y): return y*2\ndef f(x): return h(k,x)", 1.5),
    ("def h(g,x): return g(x)+1\ndef f(x):\n def k(y): return y*x\n return h(k,x)", 1.5),
    (
        "def h(g,x,n):\n s=0.0\n for i in range(n): s+=g(x+i)\n return s\ndef f(x):\n a=2.0\n return h(lambda y:y*a, x, 3)",
        1.5,
    ),
    ("def f(x): return (lambda y: y+x)(2)", 1.5),
    ("def f(n):\n def fact(k): return 1 if k<2 else k*fact(k-1)\n return fact(n)", 5),
    (
        "def f(n):\n def ev(k): return True if k==0 else od(k-1)\n def od(k): return False if k==0 else ev(k-1)\n return ev(n)",
        5,
    ),
    ("def f(x):\n fs=(lambda y:y+1, lambda y:y*2)\n return fs[0](x),fs[1](x)", 5),
    ("def h(a,b): return a+b\ndef f(x):\n g=h\n return g(x,1)", 0.5),
    ("def h(g,a): return g(a)\ndef f(x): return h(math.sin,x),h(abs,x),h(np.float32,x),h(float,x)", 0.5),
    ("def f(x):\n def g():\n  def k(): return x+1\n  return k()\n return g()", 5),
    ("def f(x):\n def g():\n  return x\n x+=1\n return g()", 5),
    ("def f(a):\n def g(i): return a[i]\n def s(i,v): a[i]=v\n s(0,7.0)\n return g(0)", A),
    ("def mk(n):\n def add(x): return x+n\n return add\ng=mk(3)\ndef f(x): return g(x)", 5),
    ("def mk(n):\n def add(x): return x+n\n return add\ndef f(x): return mk(3)(x)", 5),
    ("def mk(n): return lambda x: x+n\ndef f(x):\n g=mk(3)\n return g(x)", 5),
    ("def comp(f1,g1): return lambda x: f1(g1(x))\ndef f(x): return comp(lambda a:a+1, lambda b:b*2)(x)", 5),
    (
        "def f(n):\n r=0\n def a(k,m=3): return k*m+b(k) if k<10 else k\n def b(k): return a(k+4)\n return a(n)",
        1,
    ),
    ("def f(x):\n y=2\n def a():\n  y=3\n  def b():\n   return x+y\n  return b()\n return a()+y", 1),
    ("def f(x):\n fs=(lambda y,k=x: y*k, lambda y: y-x)\n x=7\n return fs[0](1),fs[1](1)", 5),
    (
        "def ap(fs,x): return fs[0](x)+fs[1](x)\ndef f(x):\n return ap((lambda y,k=x: y*k, lambda y: y-x),2)",
        5,
    ),
    ("def h(g,n): return g(n) if n==0 else h(g,n-1)\ndef f(a):\n return h(lambda i:a[i],3)", A),
    ("def f(n):\n s=0\n for i in range(n):\n  g=lambda k,i=i: k+i\n  s+=g(i)\n return s", 3),
    ("def f(n):\n def g(a,*,b=2,c): return a+b*c\n return g(n,c=1),g(c=n,a=1,b=n)", 3),
    ("def f(a,n):\n def g(i,v=a[n]): return v+a[i]\n a[n]=100.0\n return g(n)", A, 2),
    ("def f(n):\n if n>3:\n  def g(): return n\n return g()", 2),
    ("def f(n):\n if n>3:\n  def g(): return n\n return g()", 4),
    ("def f(n):\n g=lambda: z\n z=n\n return g()", 4),
    (
        "def rk(fn,y,h):\n k1=fn(y)\n k2=fn(y+h/2*k1)\n return y+h*k2\ndef f(y,n):\n lam=-0.5\n def rhs(u): return lam*u\n for i in range(n): y=rk(rhs,y,0.1)\n return y",
        1.0,
        10,
    ),
    ("def mk(a): return lambda i: a[i]\ndef f(a):\n g=mk(a)\n a[1]=50.0\n return g(1)", A),
    (
        "def mk(n):\n a=np.zeros(n)\n def put(i,v):\n  a[i]=v\n  return a\n return put\ndef f(n):\n g=mk(n)\n g(0,1.0)\n return g(1,2.0)",
        3,
    ),
    ("def g(a,*,k,d=2): return a*k+d\ndef f(x): return g(x,k=3),g(x,d=1,k=x),g(a=x,k=1)", 5),
    ("def g(a,/,b,c=4): return a*b+c\ndef f(x): return g(x,c=1,b=2),g(x,2)", 5),
    ("def f(x,*,y=2.5): return x*y", 5),
]
# A function that is one of several, that comes back to where its variables live, or whose variables may be unbound.
INTERPRETED = [
    ("def f(x):\n g=math.sin if x>0 else math.cos\n return g(x)", 0.5),
    ("def f(x):\n if x>0:\n  def g(): return 1\n else:\n  def g(): return 2\n return g()", 5),
    ("def ident(g): return g\ndef f(x):\n g=ident(lambda: x)\n x=2\n return g()", 5),
    (
        "def h(g,n): return g(n) if n==0 else h(lambda k: g(k)+1,n-1)\ndef f(a):\n return h(lambda i:a[i],3)",
        A,
    ),
    ("def f(n):\n g=lambda k: k\n for i in range(n):\n  g=lambda k,i=i: k+i\n return g(1)", 3),
    ("def f(n):\n def g(a): return a\n return g()", 3),
    ("def f(n):\n def g(*a): return a\n return g(1)", 3),
    ("def f(n):\n g=lambda: z\n r=g()\n z=n\n return r", 4),
    ("def g(x): return x\ndef f(x): return g(y=1)", 5),
    ("def g(x): return x\ndef f(x): return g(1,2)", 5),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_native(case: tuple[Any, ...]) -> None:
    source, *args = case
    check(define(source, "f"), *args)


@pytest.mark.parametrize("case", INTERPRETED, ids=lambda case: case[0])
def test_interpreted(case: tuple[Any, ...]) -> None:
    source, *args = case
    check(define(source, "f"), *args, tier="interpreter")
