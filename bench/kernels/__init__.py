"""The kernels by name; each module holds one group of them."""

from kernels import calls, dynamic, grids, integers, ordering, physics, recursion, reductions
from kernels.kernel import Kernel

KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for module in (reductions, grids, physics, integers, ordering, dynamic, recursion, calls)
    for kernel in module.KERNELS
}
