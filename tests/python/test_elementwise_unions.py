"""Array expressions with numbers of which the family is known at run time only."""

import numpy as np
import pytest

from harness import FAKE, check, define

pytestmark = [
    pytest.mark.skipif(FAKE, reason="needs the compiler"),
    pytest.mark.filterwarnings("ignore::numlift.NumliftFallbackWarning"),
]

UNIONS = {
    "add": "return a + u",
    "reflected": "return u - a",
    "compare": "return a < u",
    "power": "return a ** u",
    "in place": "a += u\n return a",
    "part": "a[1:] = u\n return a",
    "mask": "a[a > 1] = u\n return a",
    "where": "return np.where(a > 1, u, a)",
    "maximum": "return np.maximum(a, u)",
    "chain": "return (a * u + u) - n",
}


@pytest.mark.parametrize("name", UNIONS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int8, np.bool_, np.complex128])
@pytest.mark.parametrize("values", [("1", "2.5"), ("True", "300"), ("np.float32(1.5)", "2"), ("1j", "2")])
def test_numbers_of_several_families(name: str, dtype: type, values: tuple[str, str]) -> None:
    first, second = values
    f = define(f"def f(a, n):\n u = {first}\n if n:\n  u = {second}\n {UNIONS[name]}\n")
    for n in (0, 1):
        check(f, np.arange(4).astype(dtype), n, tier=None)


@pytest.mark.parametrize("name", UNIONS)
def test_first_turns_of_their_own(name: str) -> None:
    """The variable `u` is a float before the first turn and float32 behind it: the turn is compiled apart."""
    body = UNIONS[name].replace("return a", "v = a").replace("return u", "v = u").replace("return (", "v = (")
    body = body.replace("return np", "v = np").replace("\n", "\n ")
    f = define(
        f"def f(a, n):\n u = 2.5\n v = a\n for i in range(n):\n  {body}\n  u = np.float32(i)\n return v, u, a\n"
    )
    for n in (0, 1, 3):
        check(f, np.arange(4.0), n, tier=None)
