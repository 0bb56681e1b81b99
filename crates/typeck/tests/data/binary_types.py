"""Write `binary_types.txt`: the class of every operator's result for every pair of number classes.

Each row is an operator, the classes of its operands and the class of the result (`-`: TypeError).
Run with NumPy 2 after changing the list of operators or dtypes.
"""

import operator
import warnings
from pathlib import Path

import numpy as np

INTEGERS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES = ["bool", *INTEGERS, "float32", "float64", "complex64", "complex128"]
OPERANDS = [("bool", True), ("int", 2), ("float", 2.0), ("complex", 2 + 1j)]
OPERANDS += [(f"np.{name}", np.dtype(name).type(1)) for name in DTYPES]
BINARY = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mul": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "Pow": operator.pow,
    "MatMul": operator.matmul,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
    "And": operator.and_,
    "Or": operator.or_,
    "Xor": operator.xor,
    "Eq": operator.eq,
    "Ne": operator.ne,
    "Lt": operator.lt,
    "Le": operator.le,
    "Gt": operator.gt,
    "Ge": operator.ge,
    "Is": operator.is_,
    "IsNot": operator.is_not,
}
UNARY = {
    "Neg": operator.neg,
    "Pos": operator.pos,
    "Invert": operator.invert,
    "Not": operator.not_,
    "Abs": abs,
    "Round": round,
}


def family(function, *args):
    try:
        result = function(*args)
    except TypeError:
        return "-"
    return f"np.{result.dtype.name}" if isinstance(result, np.generic) else type(result).__name__


def rows():
    for op, function in BINARY.items():
        for left, a in OPERANDS:
            for right, b in OPERANDS:
                yield f"{op} {left} {right} {family(function, a, b)}"
    for op, function in UNARY.items():
        for name, a in OPERANDS:
            yield f"{op} {name} {family(function, a)}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    Path(__file__).with_suffix(".txt").write_text("\n".join(rows()) + "\n")
