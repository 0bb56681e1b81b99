"""Variables and results that are None on one path and a value on another."""

import sys

import numpy as np
import pytest

from harness import check, define, jit

V = np.arange(5.0)
ARRAYS = (V, V[:0], V[:1], V[:3])

NATIVE = """\
def f(a):
    x = 0; y = None
    for k in range(len(a)):
        y = np.float32(2)
    if not (x is None or y is None):
        x = y * 2
    else:
        x = (y * a[1] if y is not None else True)
        w = (y is not None and y > 1) or y
    return x, y
---
def f(a):
    x=a[0] if len(a)>0 else None
    return x
---
def f(a):
    x=None
    for v in a:
        if v>2:
            x=v
            break
    return x
---
def f(a):
    x=None
    for v in a:
        if x is None or v>x: x=v
    return x
---
def f(a):
    x=None; k=None
    for i,v in enumerate(a):
        if x is not None and v<=x: continue
        x=v; k=i
    if k is None: return -1,x
    return k+1,x
---
def f(a):
    for i,v in enumerate(a):
        if v>2: return i
---
def f(a):
    for i,v in enumerate(a):
        if v>200: return i
    return None
---
def f(a):
    if len(a)==0: return
    a[0]=1
---
def find(a,x):
    for i in range(len(a)):
        if a[i]==x: return i
    return None
def f(a):
    i=find(a,3.0); j=find(a,99.0)
    t=0
    if i is not None: t+=i
    if j is None: t+=100
    else: t+=j
    if not (i is None): t+=1000
    if (k:=find(a,2.0)) is not None: t+=k*10000
    return t,i,j,k
---
def f(a):
    b=None
    if len(a)>30: b=a[1:]
    return b, (b,1)
---
def f(a):
    b=None
    for i in range(3):
        if i==1: b=np.full(2,7.0)
        elif b is not None:
            b[0]+=i
    return b
---
def f(a):
    t=None
    for i in range(len(a)):
        if t is None: t=(i,a[i])
        else: t=(t[0]+i,t[1]+a[i])
    return t
---
def f(a):
    x=None
    if a.size>2: x=1
    if a.size>3: x=2.5
    y = x if x is not None else 7
    z = 0 if x is None else x*2
    return x,y,z,x is None,x is not None,None is x
---
def f(a):
    x=None
    if a.size>200: x=1
    return bool(x is None) and not x, x or 5, (x and 3)
---
def f(a):
    x=0 if a.size>2 else None
    if x: return 1
    elif x is not None: return x
    return 3
---
def f(a):
    x=4 if a.size>2 else None
    assert x is not None
    assert x, 'm'
    return x+1
---
def f(a):
    x=4 if a.size>200 else None
    assert x is not None, 'none'
    return x+1
---
def f(a):
    x=0
    while x is not None and x<10:
        x+=3
        if x==9: x=None
    return x
---
def f(a):
    x=None
    while x is None:
        x=a[0]
    return x+1
---
def f(a):
    x=None
    n=0
    while not x:
        n+=1
        if n>3: x=n
    return x,n
---
def g(n): return None if n==0 else g(n-1)
def f(a): return g(5)
---
def g(n):
    if n==0: return None
    if n==1: return 1
    r=g(n-2)
    return r if r is None else r+n
def f(a): return g(6),g(7)
---
def f(a):
    x=None
    if a[0]<1: x=1j
    if a[0]<0: x=np.float32(2)
    if x is None: x=5
    return x
---
def f(a):
    x=None
    def h():
        return 1 if x is None else 2
    r=h()
    if a.size: x=3.0
    return r,h()
---
def f(a,w=None):
    s=0.0
    for i in range(len(a)):
        s+=a[i]*(1.0 if w is None else w[i])
    return s
---
def f(a):
    x=None
    for i in range(3):
        try_=x
        x=i
    return try_,x
---
def f(a):
    t=(None,1) if a.size else (2,None)
    p,q=t
    if p is None: p=9
    return t,p,q
---
def f(a):
    s=0
    for x in (None,1,2.5,None):
        if x is not None: s+=x
    return s
---
def f(a):
    for x in (1,None):
        if x is None: break
        y=x
    return x,y
---
def f(a):
    x=None
    if a.size>100: x=a
    if x is None or len(x)<3:
        return 'no' if False else 0
    return x[0]
---
def f(a):
    r=np.zeros(3)
    best=None
    for i in range(a.size):
        d=abs(a[i]-2.2)
        if best is None or d<best:
            best=d; r[0]=i
    if best is not None and best>0.1: r[1]=best
    return r,best
---
def f(a):
    x=None
    m=5
    match m:
        case 5 if a.size>2: x=1
        case _: pass
    match m:
        case 5 if x is not None: return x+1
    return x
---
def f(a):
    if a.size>3: raise ValueError(f'{a.size}')
    return None
---
def f(a):
    x=None
    if a.size: x=2**62
    if x is not None: x=x*4
    return x
---
def f(a):
    x=None
    if a.size>100: del x
    if a.size>2 : x=1
    return x
---
def f(a):
    if a.size>100: x=None
    elif a.size>50: x=2
    return x
---
def f(a):
    x=None; y=None
    for i in range(3):
        x,y=y,i
    return x,y
---
def f(a):
    return x_(a) if a.size else None
def x_(a): return a.sum(), None
---
def f(a):
    x = None
    if a.size > 2:
        x = a[:2]
    y = x
    if y is not None:
        y = y[::-1]
    return x, y
---
def f(a):
    x=None if a.size else 5
    return min(1,x) if x is not None else max(2,3)
"""

DYNAMIC = """\
def f(a):
    t=None
    for i in range(3):
        t=(i,t) if i<2 else t
    return t
---
def f(a):
    t=(0,None)
    for i in range(3): t=(i,t)
    return t
---
def f(a):
    t=(None,(0,None))
    for i in range(3): t=(t[1],(i,t)) if i%2 else t
    return t
---
def f(a):
    b=None
    if len(a)>3: b=a[1:]
    if b is None: return 0.0
    s=0.0
    for x in b: s+=x
    return s,b
---
def f(a):
    x=4 if a.size>200 else None
    return x+1
---
def f(a):
    x=3.0 if a.size else None
    def h(): return x+1 if x is not None else 0
    return h(), (lambda: x)()
---
def f(a):
    x=None
    if a.size: x=a
    if x is None: return 1
    x[0]=5
    return x is None, len(x), x
---
def f(a):
    x=None
    if a.size: x=1
    raise ValueError(f'{x}')
---
def f(a):
    x=None if a.size else 5
    return x==5, x!=None
---
def f(a):
    x=5 if a.size else None
    return x==5
"""


@pytest.mark.parametrize("source", NATIVE.split("---\n"))
def test_native(source: str) -> None:
    for a in ARRAYS:
        check(define(source, "f"), a)


@pytest.mark.parametrize("source", DYNAMIC.split("---\n"))
def test_dynamic(source: str) -> None:
    for a in ARRAYS:
        check(define(source, "f"), a, tier=None)


def test_references() -> None:
    f = jit(define("def f(a, n):\n    b = None\n    if n: b = a[1:]\n    return b, (b, n)\n"))
    for n in (0, 1):
        f(V, n)
        before = sys.getrefcount(V)
        for _ in range(100):
            f(V, n)
        assert sys.getrefcount(V) == before
