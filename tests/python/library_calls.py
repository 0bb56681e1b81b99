"""Calls of library functions made from the cases of the table: arguments of random dtypes, ranks, layouts and values.

A case is the text of the arguments. What is in braces is made: `{f2:square}` is a square matrix of float32 or float64 that
the compiled function gets as a parameter, `{axis}` a constant written into the source.
"""

import re
from typing import Any

import numpy as np
from hypothesis import strategies as st

KINDS: dict[str, list[str]] = {
    "x": "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64 complex64 complex128".split(),
    "n": "int8 uint8 int16 uint16 int32 uint32 int64 uint64 float32 float64 complex64 complex128".split(),
    "r": "bool int8 uint8 int16 uint32 int64 uint64 float32 float64".split(),
    "f": ["float64", "float32"],
    "c": ["float64", "float32", "complex128", "complex64"],
    "z": ["complex128", "complex64"],
    "i": ["int64", "int32", "int16", "int8"],
    "u": ["uint8", "uint16", "uint32", "int64"],
    "b": ["bool"],
    "o": ["int64"],
    "f64": ["float64"],
    "i64": ["int64"],
    "u8": ["uint8"],
}
PLACEHOLDER = re.compile(r"\{([^}]*)\}")
NUMBER = re.compile(r"(f64|i64|u8|[a-z])(\d?)$")
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e300, 1e-300]


class Choice:
    """Numbers and items that Hypothesis draws."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def integer(self, low: int, high: int) -> int:
        return int(self.draw(st.integers(low, high)))

    def pick(self, items: Any) -> Any:
        return self.draw(st.sampled_from(items))


class RandomChoice(Choice):
    """The same at random: faster, and without a search for the smallest."""

    def integer(self, low: int, high: int) -> int:
        return int(self.draw.randint(low, high))

    def pick(self, items: Any) -> Any:
        return self.draw.choice(items)


class Call:
    """The text of the arguments of a call, and the values of the parameters in it."""

    def __init__(self, choice: Choice, case: str) -> None:
        self.integer, self.pick = choice.integer, choice.pick
        self.values: list[Any] = []
        self.first: np.ndarray | None = None
        self.text = PLACEHOLDER.sub(lambda m: self.item(m[1]), case)

    def param(self, value: Any) -> str:
        if self.first is None and isinstance(value, np.ndarray):
            self.first = value
        self.values.append(value)
        return "abcdefgh"[len(self.values) - 1]

    def item(self, spec: str) -> str:
        name, *mods = spec.split(":")
        match name:
            case "axis":
                n = self.rank()
                return str(self.integer(-n, n) if self.integer(0, 9) == 0 else self.integer(-n, n - 1))
            case "axes":
                n = self.rank()
                axes = [axis for axis in range(n) if self.integer(0, 1)]
                return f"({', '.join(map(str, axes))}{',' if len(axes) == 1 else ''})"
            case "k":
                return str(self.integer(int(mods[0]), int(mods[1]) - 1))
            case "int":
                low, high = map(int, mods) if mods else (-5, 9)
                return self.param(self.integer(low, high))
            case "float":
                low, high = map(int, mods) if mods else (-3, 3)
                return self.param(self.integer(low * 8, high * 8) / 8)
            case "q":
                return self.param(self.integer(0, 8) / 8)
            case "b0":
                return self.param(bool(self.integer(0, 1)))
            case "s":
                return self.param(self.pick(SCALARS))
            case "sf":
                return self.param(self.pick([0.5, -2.0, np.float32(1.5), np.float64(0.25)]))
        return self.param(self.array(name, mods))

    def rank(self) -> int:
        assert self.first is not None
        return self.first.ndim

    def array(self, name: str, mods: list[str]) -> np.ndarray:
        shape = None
        if name.startswith("="):
            assert self.first is not None
            shape, name = self.first.shape, name[1:]
        if not name:
            assert self.first is not None
            dtypes, rank = [self.first.dtype.name], ""
        else:
            found = NUMBER.match(name)
            assert found, name
            dtypes, rank = KINDS[found[1]], found[2]
        dtype = np.dtype(self.pick(dtypes))
        if "64" in mods:
            dtype = np.dtype("float64")
        if shape is None:
            shape = self.shape(int(rank) if rank else self.integer(1, 3), mods)
        a = self.contents(dtype, shape, mods)
        return self.layout(a)

    def shape(self, rank: int, mods: list[str]) -> tuple[int, ...]:
        low, high = (3, 4) if "long" in mods else (1, 3) if {"nonempty", "sorted"} & set(mods) else (0, 4)
        shape = [self.integer(low, high) for _ in range(rank)]
        if {"square", "definite"} & set(mods):
            shape[-2] = shape[-1] = self.integer(1, 4)
        if "three" in mods:
            shape[-1] = 3
        if "thin" in mods:
            shape[0] = 1
        return tuple(shape)

    def contents(self, dtype: np.dtype, shape: tuple[int, ...], mods: list[str]) -> np.ndarray:
        rng = np.random.default_rng(self.integer(0, 999))
        if dtype.kind == "b":
            return rng.random(shape) < 0.5
        if dtype.kind == "u" or dtype == np.int64 and self.integer(0, 1):
            a = rng.integers(0, 2, shape).astype(dtype)
        elif dtype.kind == "i":
            a = rng.integers(-9, 10, shape).astype(dtype)
        else:
            a = (rng.normal(size=shape) * 3).astype(dtype)
            if dtype.kind == "c":
                a = (a + 1j * rng.normal(size=shape)).astype(dtype)
            plain = {"finite", "square", "definite", "sorted", "unit", "positive", "long"} & set(mods)
            if not plain and self.integer(0, 3) == 0:
                special = rng.random(shape) < 0.3
                with np.errstate(all="ignore"):
                    a[special] = rng.choice(SPECIAL, int(special.sum())).astype(dtype)
        if "positive" in mods:
            a = np.abs(a) + 1
        if "unit" in mods:
            a = (np.abs(a) % 1).astype(dtype)
        if "sorted" in mods:
            a.sort()
        if "definite" in mods:
            a = (a @ np.conj(np.swapaxes(a, -1, -2)) + np.eye(shape[-1])).astype(dtype)
        return a

    def layout(self, a: np.ndarray) -> np.ndarray:
        """The array in another layout."""
        how = self.integer(0, 7)
        if how == 1:
            return np.asfortranarray(a)
        if how == 2:
            wide = np.zeros(tuple(2 * n for n in a.shape), a.dtype)
            view = wide[tuple(slice(None, None, 2) for _ in a.shape)]
            view[...] = a
            return view
        if how == 3:
            return np.ascontiguousarray(a[::-1])[::-1]
        if how == 4 and a.ndim > 1:
            order = (1, 0, *range(2, a.ndim))
            return np.ascontiguousarray(a.transpose(order)).transpose(order)
        return np.ascontiguousarray(a)


SCALARS = [
    3,
    -2,
    0,
    True,
    0.5,
    -1.25,
    2 + 1j,
    np.int8(3),
    np.uint8(7),
    np.int32(-5),
    np.int64(9),
    np.uint64(4),
    np.float32(1.5),
    np.float64(-0.5),
    np.complex64(1 - 2j),
    np.bool_(True),
]


def source(path: str, call: Call, uses: str = "") -> str:
    """A function that makes the call; `uses` reads its result `r`."""
    params = ", ".join("abcdefgh"[: len(call.values)])
    if path.startswith("ndarray."):
        base, _, rest = call.text.partition(",")
        text = f"{base}.{path.removeprefix('ndarray.')}({rest.strip()})"
    else:
        text = f"{path.replace('numpy', 'np')}({call.text})"
    return f"def f({params}):\n    r = {text}\n    return r{uses}\n"


def reads(result: Any, name: str = "r") -> str:
    """Text that reads the last element of each array in a result."""
    if isinstance(result, np.ndarray) and result.ndim and result.size:
        index = ", ".join(f"{name}.shape[{k}] - 1" for k in range(result.ndim))
        return f", {name}[{index}]"
    if type(result) in (tuple, list):
        return "".join(reads(item, f"{name}[{i}]") for i, item in enumerate(result))
    return ""


def arrays_in(value: Any) -> list[np.ndarray]:
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, tuple | list):
        return [a for item in value for a in arrays_in(item)]
    return []
