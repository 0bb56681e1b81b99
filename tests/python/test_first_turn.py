"""Loops whose first turn has types of its own: an accumulator begins as a Python number and goes on as an element."""

import numpy as np
import pytest

from harness import check, define, jit

F = (np.arange(20, dtype=np.float32) * np.float32(0.37)).reshape(4, 5)
ARRAYS = {
    "float32": F,
    "no rows": F[:0],
    "no columns": F[:, :0],
    "one row": F[:1, :4],
    "float64": F.astype(np.float64),
    "fortran": np.asfortranarray(F),
    "reversed": F[::-1, ::-1],
    "int8": (F * 3).astype(np.int8),
    "uint8": (F * 30).astype(np.uint8),
    "int16": (F * 1000).astype(np.int16),
    "int64": (F * 3).astype(np.int64),
    "uint64": (F * 3).astype(np.uint64),
    "complex64": (F + 1j).astype(np.complex64),
    "bool": F > 3,
}

PROGRAMS = """\
def f(a):
    r=0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            r+=a[i,j]
    return r
---
def f(a):
    r=0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            r+=a[i,j]
    return r
---
def f(a):
    r=0
    for row in a:
        for x in row:
            r+=x
    return r
---
def f(a):
    m=0.0; k=-1
    for i in range(len(a)):
        for j in range(len(a[0])):
            if a[i,j]>m:
                m=a[i,j]; k=j
    return m,k
---
def f(a):
    r=0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            r+=a[i,j]
            if r>5: break
        else:
            r+=1
        if r>20: return r,i,j
    return r,i,j
---
def f(a):
    r=1
    for i in range(a.shape[0]):
        for j in range(a.shape[1]-1,-1,-2):
            if j==2: continue
            r=r*a[i,j]+j
    return r,i,j
---
def f(a):
    s=0; n=0
    for i in range(a.shape[0]):
        for j,x in enumerate(a[i]):
            s+=x; n+=1
    return s/n
---
def f(a):
    s=0
    for i in range(a.shape[0]):
        for j in range(3,3): s+=a[i,j]
    return s
---
def f(a):
    s=0
    for j in range(a.shape[1]):
        s+=a[0,j]
        if s>100: raise ValueError('big')
    return s, a[0,j+9]
---
def f(a):
    s=0; p=1.5
    for j in range(a.shape[1]):
        q=s
        s+=a[0,j]
        p=p*2 if p<100 else a[1,j]
    return s,p,q
---
def f(a):
    s=0; b=np.zeros(3)
    for j in range(a.shape[1]):
        s+=a[0,j]
        b=np.ones(2)
        b[0]=j
    return s,b
---
def f(a):
    s=0
    for j in range(a.shape[1]):
        s+=a[0,j]
        t=lambda z: z*2
        s+=t(1)
    return s
---
def g(x,y): return x+y
def f(a):
    s=0
    for j in range(a.shape[1]):
        s=g(s,a[0,j])
    return s
---
def f(a):
    s=a[0,0]*0
    for j in range(a.shape[1]):
        s=s+1.0 if j%2 else s*2
    return s
---
def f(a):
    s=0
    for j in range(a.shape[1]):
        s+=a[0,j]
        a[0,j]=s
    return s
---
def f(a):
    s=2**62
    for j in range(a.shape[1]):
        s+=2**62
        s=a[0,j]+s
    return s
---
def f(a):
    s=0.0
    c=0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            y=a[i,j]-c
            t=s+y
            c=(t-s)-y
            s=t
    return s
---
def f(a):
    best=None
    s=0
    for x in a[0]:
        s+=x
        del x
    return s
---
def f(a):
    s=0
    for a[0,0] in range(5):
        s+=a[0,0]
    return s,a
---
def f(a):
    s=0
    x=3
    for x in a[1]: s+=x
    return s,x
---
def f(a):
    s=0
    for x,y in zip(a[1],reversed(a[2])):
        if y==a[2,3]: continue
        s+=x*y
    return s
---
def f(a):
    s=0
    for i in range(a.shape[1]):
        while s<i: s+=a[0,i]+1
    return s
---
def f(a):
    s=0
    for i in range(a.shape[1]):
        s+=a[0,i]
        assert s<1000, f'{s} too big'
        if s>50: raise ValueError(f's is {s} at {i}')
    return s
---
def f(a):
    s=0.0
    for i in range(2,a.shape[1],2):
        s+=a[1,i]
    for i in range(a.shape[1],0,-1):
        s+=a[1,i-1]
    return s
---
def f(a):
    s=0
    for i in (1,2,3): s+=a[0,i]
    for i in (): s+=a[0,i]
    return s
---
def f(a):
    s=0
    n=a.shape[1]
    for i in range(n):
        if (m:=a[0,i])>2: s+=m
    return s,m
"""


@pytest.mark.parametrize("source", PROGRAMS.split("---\n"))
def test_first_turn(source: str) -> None:
    for name, a in ARRAYS.items():
        if name == "complex64" and (">" in source or "<" in source):
            continue
        check(define(source, "f"), a)


def test_types_of_the_first_turn() -> None:
    f = jit(define("def f(a):\n    s = 0.0\n    for x in a:\n        s = s + x\n    return s\n"))
    f(F[0])
    (text,) = f.inspect_types().values()
    rows = [line.split(": ", 1)[1] for line in text.splitlines() if " s : " in line]
    assert rows == ["s : float in the first turn", "s : np.float32", "s : float | np.float32"]


def test_only_small_innermost_loops_are_doubled() -> None:
    steps = "        s += a[i]\n" * 120
    f = jit(define(f"def f(a):\n    s = 0.0\n    for i in range(len(a)):\n{steps}    return s\n"))
    check(f, F[0])
    assert "in the first turn" not in "".join(f.inspect_types().values())
