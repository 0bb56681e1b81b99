"""Types for signatures and annotations, spelled as Numba spells them.

>>> from numlift.types import float64, int64, void
>>> float64(float64[:, ::1], int64)
float64(float64[:, ::1], int64)
>>> void(int64[:])
none(int64[:])

A type called with types is a signature, for `@jit(float64(int64))`; called with a number it converts it, as
the NumPy type of its name does. A type indexed with slices is an array of it: `[:, :]` of any layout,
`[:, ::1]` C, `[::1, :]` Fortran.
"""

from typing import Any, overload

import numpy as np

__all__ = [
    "Array",
    "Signature",
    "Tuple",
    "Type",
    "UniTuple",
    "b1",
    "bool_",
    "boolean",
    "c8",
    "c16",
    "complex64",
    "complex128",
    "double",
    "f4",
    "f8",
    "float32",
    "float64",
    "i1",
    "i2",
    "i4",
    "i8",
    "int8",
    "int16",
    "int32",
    "int64",
    "int_",
    "intc",
    "intp",
    "none",
    "u1",
    "u2",
    "u4",
    "u8",
    "uint",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "uintp",
    "void",
]


class Type:
    """The type of an argument; `str` of it is its text in a signature string."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        """The same text."""
        return self._name

    def __str__(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return self._name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Type) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(self._name)

    def __call__(self, *args: "Type | tuple[Any, ...]") -> "Signature":
        return Signature(self, tuple(_as_type(a) for a in args))


class ScalarType(Type):
    """A number; indexed with slices it is the type of an array of such numbers."""

    __slots__ = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's dtype of the name: NumPy takes the type where it takes a dtype."""
        return np.dtype(self._name)

    @overload
    def __call__(self, *args: Type | tuple[Type, ...]) -> "Signature": ...
    @overload
    def __call__(self, value: complex | str | np.generic, /) -> Any: ...
    def __call__(self, *args: Any) -> Any:
        if len(args) == 1 and not isinstance(args[0], (Type, tuple)):
            return np.dtype(self._name).type(args[0])
        return super().__call__(*args)

    def __getitem__(self, dims: slice | tuple[slice, ...]) -> Type:
        dims = dims if isinstance(dims, tuple) else (dims,)
        steps = [d.step for d in dims if isinstance(d, slice) and d.start is None and d.stop is None]
        contiguous = [i for i, step in enumerate(steps) if step is not None]
        if len(steps) != len(dims) or not dims or any(steps[i] != 1 for i in contiguous):
            raise TypeError(f"{self}[...]: each dimension is `:` or `::1`")
        if len(contiguous) > 1 or (contiguous and contiguous[0] not in (0, len(dims) - 1)):
            raise TypeError(f"{self}[...]: `::1` stands once, first or last")
        text = ", ".join("::1" if step else ":" for step in steps)
        return Type(f"{self}[{text}]")


class Signature:
    """Types of the arguments and of the result; `str` of it is what `jit` takes."""

    __slots__ = ("args", "return_type")

    def __init__(self, return_type: Type | None, args: tuple[Type, ...]) -> None:
        self.return_type, self.args = return_type, args

    def __str__(self) -> str:
        return f"{self.return_type or ''}({', '.join(map(str, self.args))})"

    def __repr__(self) -> str:
        return str(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Signature) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


_LAYOUTS = {"A": lambda n: [":"] * n, "C": lambda n: [":"] * (n - 1) + ["::1"]}
_LAYOUTS["F"] = lambda n: _LAYOUTS["C"](n)[::-1]


def _as_type(value: Any) -> Type:
    """A type, or a tuple of types as the type of tuples."""
    if isinstance(value, Type):
        return value
    if isinstance(value, tuple):
        return Tuple(value)
    raise TypeError(f"{value!r} is not a numlift type, such as float64 or float64[:, ::1]")


def Tuple(items: Any) -> Type:
    """Tuples whose items have these types."""
    texts = [str(_as_type(t)) for t in items]
    return Type(f"({texts[0]},)" if len(texts) == 1 else f"({', '.join(texts)})")


def UniTuple(dtype: Type, count: int) -> Type:
    """Tuples of `count` items of one type."""
    return Tuple((dtype,) * count)


def Array(dtype: Type, ndim: int, layout: str) -> Type:
    """Arrays of `ndim` dimensions; layout is "C", "F" or "A" (any)."""
    if not isinstance(dtype, ScalarType):
        raise TypeError(f"{dtype!r} is not the type of a number")
    if layout not in _LAYOUTS or ndim < 1:
        raise ValueError(f"layout is 'C', 'F' or 'A' and ndim at least 1, not {layout!r} and {ndim}")
    return Type(f"{dtype}[{', '.join(_LAYOUTS[layout](ndim))}]")


int8 = i1 = ScalarType("int8")
int16 = i2 = ScalarType("int16")
int32 = i4 = intc = ScalarType("int32")
int64 = i8 = intp = int_ = ScalarType("int64")
uint8 = u1 = ScalarType("uint8")
uint16 = u2 = ScalarType("uint16")
uint32 = u4 = ScalarType("uint32")
uint64 = u8 = uintp = uint = ScalarType("uint64")
float32 = f4 = ScalarType("float32")
float64 = f8 = double = ScalarType("float64")
complex64 = c8 = ScalarType("complex64")
complex128 = c16 = ScalarType("complex128")
boolean = bool_ = b1 = ScalarType("bool")
none = void = Type("none")
