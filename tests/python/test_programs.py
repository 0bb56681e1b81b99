"""Whole functions of many kinds, each natively: algorithms, idioms and corners of the language."""

import numpy as np
import pytest

from harness import check, define

V = np.arange(5.0)

PROGRAMS = """\
import math
def f(a):
    'moving average, window clipped at the borders'
    n=len(a); out=np.zeros(n); w=2
    for i in range(n):
        lo=max(0,i-w); hi=min(n,i+w+1)
        s=0.0
        for j in range(lo,hi): s+=a[j]
        out[i]=s/(hi-lo)
    return out
---
def f(a):
    n=len(a)
    for i in range(1,n):
        key=a[i]; j=i-1
        while j>=0 and a[j]<key:
            a[j+1]=a[j]; j-=1
        a[j+1]=key
    return a
---
def f(a):
    lo,hi=0,len(a)
    x=2.5
    while lo<hi:
        mid=(lo+hi)//2
        if a[mid]<x: lo=mid+1
        else: hi=mid
    return lo
---
def f(a):
    count=np.zeros(10,dtype=np.int64)
    for x in a: count[int(x)%10]+=1
    total=0
    for i,c in enumerate(count):
        total+=i*c
    return count,total
---
def f(a):
    h=0x811c9dc5
    for x in a:
        h^=int(x)
        h=(h*0x01000193)&0xffffffff
    return h
---
def f(a):
    state=np.uint64(88172645463325252)
    s=0.0
    for _ in range(10):
        state^=state<<np.uint64(13)
        state^=state>>np.uint64(7)
        state^=state<<np.uint64(17)
        s+=float(state>>np.uint64(11))*(1.0/9007199254740992.0)
    return s,state
---
def f(a):
    x,y,z=1.0,1.0,1.0
    for i in range(100):
        dx,dy,dz=10*(y-x),x*(28-z)-y,x*y-8/3*z
        x,y,z=x+dx*0.01,y+dy*0.01,z+dz*0.01
    return (x,y,z)
---
def mandel(c,n):
    z=0j
    for i in range(n):
        z=z*z+c
        if abs(z)>2: return i
    return n
def f(a):
    out=np.empty((4,4),dtype=np.int32)
    for i in range(4):
        for j in range(4):
            out[i,j]=mandel(complex(-2+i,-1.5+j),50)
    return out
---
def f(a):
    n=a.size
    m=sum(a)/n
    v=0.0
    for x in a: v+=(x-m)**2
    return m,math.sqrt(v/(n-1))
---
def f(a):
    best=(-1,math.inf)
    for i,x in enumerate(a):
        d=abs(x-2.2)
        if d<best[1]: best=(i,d)
    return best
---
def f(a):
    res=1
    b,e,m=3,200,1000007
    while e:
        if e&1: res=res*b%m
        b=b*b%m
        e>>=1
    return res,pow(3,200,1000007)
---
def gcd(a,b):
    while b: a,b=b,a%b
    return a
def f(a): return gcd(1071,462),math.gcd(1071,462),gcd(0,5)
---
def f(a):
    sieve=np.ones(50,dtype=np.bool_)
    sieve[0]=sieve[1]=False
    for i in range(2,int(50**0.5)+1):
        if sieve[i]:
            for j in range(i*i,50,i): sieve[j]=False
    return sum(sieve), sieve
---
def f(a):
    n=5
    t=np.zeros((n,n))
    for i in range(n):
        for j in range(i+1):
            t[i,j]=1 if j in (0,i) else t[i-1,j-1]+t[i-1,j]
    return t
---
def f(a):
    s="abc"
    c=0
    for i in range(len(s)): c+=i
    return c if s!="abd" and "b" in s else -1
---
def f(a):
    for i,v in enumerate(a):
        if v>2: return i
    return None
---
def f(a):
    total=0
    for i in range(3):
        for j in range(3):
            if i==j: continue
            if i*j==2: break
            total+=i*10+j
        else: total+=100
    return total
---
def f(a):
    def sq(x): return x*x
    def tw(g,x): return g(g(x))
    return tw(sq,a[2]), tw(lambda z:z+1,3), (lambda *,k=2:k)(k=5)
---
def f(a):
    mean=lambda v: sum(v)/len(v)
    return mean(a),mean((1,2,3))
---
def f(a):
    x=np.float32(1)/3
    y=np.float32(1)/np.float32(3)
    z=np.int32(7)//2
    w=np.int8(127)+np.int8(1)
    u=-np.uint8(1)
    return x,y,z,w,u,np.int16(300)*200,np.uint8(5)-np.uint8(6),abs(np.int8(-128))
---
def f(a):
    return round(2.675,2),round(-0.5),round(1e300),round(0.5),round(1.5),round(123456,-3),int(-3.9),int('12') if False else 0,float('nan'),float('-inf')
---
def f(a):
    return math.comb(10,3),math.perm(5,2),math.factorial(20),math.lcm(4,6),math.isqrt(99),math.hypot(3,4),math.dist((0,0),(3,4)),math.prod((1,2,3)),math.fsum(a),math.copysign(1,-0.0),math.nextafter(1,2),math.ulp(1.0),math.remainder(7,3),math.modf(2.5),math.frexp(8.0),math.ldexp(0.5,3)
---
def f(a):
    return math.factorial(21)
---
def f(a):
    return cmath.exp(1j),cmath.phase(-1+0j),cmath.polar(1+1j),cmath.rect(1,2),cmath.sqrt(-1),cmath.isclose(1,1+1e-12),cmath.log(2,10),cmath.inf,cmath.nanj
---
def f(a):
    return math.sqrt(-1)
---
def f(a):
    return math.log(0)
---
def f(a):
    return math.exp(1000)
---
def f(a):
    return math.acos(2), 1
---
def f(a):
    return math.factorial(-1)
---
def f(a):
    return int(math.inf)
---
def f(a):
    i=0
    while True:
        i+=1
        if i%2: continue
        if i>7: break
    else: i=-1
    return i
---
def f(a):
    x=5
    x+=x; x-=1; x*=2; x//=4; x%=3; x**=2; x<<=3; x>>=1; x|=1; x&=7; x^=2
    y=2.0
    y/=3; y**=2; y%=0.3; y//=0.1
    return x,y
---
def f(a):
    a[1:3][0]=9
    b=a[::2]
    b[-1]-=1
    return a,b,a[-1:-4:-1],a[10:],a[:-10]
---
def f(a):
    d=np.dtype('f4') if False else np.float32
    z=np.zeros(3,dtype=d)
    return z,z.dtype==d,z.dtype==np.float64
---
def f(a):
    return np.zeros(3,'i4'),np.zeros((2,),dtype='complex128'),np.empty(0).shape,np.ones(2,dtype=int),np.zeros(2,bool),np.full(2,True),np.full((1,2),1j)
---
def f(a):
    i=len(a)
    try_=1
    return a[i-1]+try_, a[-i]
---
def f(a):
    z=3+4j
    return z.real,z.imag,abs(z),z*z.conjugate(),z==3+4j,z**2,z**0.5,2**z,z/(1-1j),-z,+z,complex(1),complex(2,3),complex('1+2j') if False else 0
---
def f(a):
    t=0
    for i in range(True): t+=i+1
    for i in range(False,3): t=t*3+i
    return t, len(range(True)), True in range(2)
---
def f(a):
    mode='lin'+'ear'
    if mode=='linear': return len(mode+'x')
    return 0
---
def f(a):
    i=0
    i,a[i]=2,9.0
    a[i]+=a[i-1]
    a[-1]*=2; a[0]//=2; a[1]%=3; a[2]**=2
    a[3],a[4]=a[4],a[3]
    return i,a
---
def f(a):
    def g(x,b=2,*,c,d=4): return x*1000+b*100+c*10+d
    return g(4,c=1),g(b=5,x=1,c=3),g(1,2,d=5,c=6)
---
def f(a):
    def fact(k): return 1 if k<=1 else k*fact(k-1)
    return fact(5), fact(20)
---
def ev(n): return True if n==0 else od(n-1)
def od(n): return False if n==0 else ev(n-1)
def f(a): return ev(12),od(12)
---
def compose(f,g,x): return f(g(x))
def f(a):
    def h(y): return y+a[1]
    return compose(h,lambda z:z*a[2],3.0)+compose(abs,float,-2)+compose(np.sqrt,math.fabs,-4.0)
---
def f(a):
    if len(a)>10: c=1
    c+=1
    return c
---
def f(a):
    for i in range(5):
        k=i
        if i==3: del k
        if i==3: return k
    return 0
---
def f(a):
    if len(a)>10 and (q:=3)>2: pass
    return q
---
def f(a):
    a,b=0,1
    for _ in range(200): a,b=b,a+b
    return a
---
def f(a):
    x: int = 3
    y: float
    y = x = 4
    (p,(q,*r)),s = (1,(2,3,4)),5
    return x,y,p,q,r[0],len(r),s
"""


@pytest.mark.parametrize("source", PROGRAMS.split("---\n"))
def test_program(source: str) -> None:
    check(define(source, "f"), V)
