//! The helper table: every function that generated code may call, by index.
//!
//! One row gives name, signature and whether it may fail. Addresses come from two places: pure
//! kernels live in this crate, the ones that need Python in `numlift-pyrt`; the host fills one
//! array of addresses in the order of [`HELPERS`].

/// Index into [`HELPERS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HelperId(pub u16);

/// Machine type of a helper parameter or result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelperType {
    I32,
    I64,
    F32,
    F64,
}

/// Declaration of one helper: `extern "C" fn([ctx,] params...) -> ret`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HelperSig {
    pub name: &'static str,
    /// The first machine argument is the `*mut Ctx`.
    pub ctx: bool,
    pub params: &'static [HelperType],
    pub ret: Option<HelperType>,
    /// Returns a status as its (only) i32 result; nonzero means a Python exception is set.
    pub fallible: bool,
    /// Same result for the same arguments, whatever they are, and no effect: may be merged, moved
    /// (before the checks of its arguments too) and deleted.
    pub pure_fn: bool,
}

const F: HelperType = HelperType::F64;
const I: HelperType = HelperType::I64;
const F32: HelperType = HelperType::F32;

macro_rules! libm1 { ($($n:literal),*) => { [$(HelperSig { name: $n, ctx: false, params: &[F], ret: Some(F), fallible: false, pure_fn: true }),*] }; }
macro_rules! libm2 { ($($n:literal),*) => { [$(HelperSig { name: $n, ctx: false, params: &[F, F], ret: Some(F), fallible: false, pure_fn: true }),*] }; }

/// One-argument functions of the C library, called with its results bit for bit.
pub const LIBM1: &[HelperSig] = &libm1!(
    "acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cos", "cosh", "erfc", "exp", "exp2", "expm1",
    "log", "log10", "log1p", "log2", "sin", "sinh", "tan", "tanh"
);
pub const LIBM2: &[HelperSig] = &libm2!("atan2", "fmod", "hypot", "nextafter", "pow", "remainder");

const fn py(name: &'static str, params: &'static [HelperType]) -> HelperSig {
    HelperSig {
        name,
        ctx: true,
        params,
        ret: None,
        fallible: true,
        pure_fn: false,
    }
}

/// Helpers that `numlift-pyrt` provides.
pub const PYRT: &[HelperSig] = &[
    // safepoint(ctx): runs signal handlers, lets other threads take the GIL
    py("safepoint", &[]),
    // py_incref(obj), py_decref(obj): NULL is allowed
    HelperSig {
        name: "py_incref",
        ctx: false,
        params: &[I],
        ret: None,
        fallible: false,
        pure_fn: false,
    },
    HelperSig {
        name: "py_decref",
        ctx: false,
        params: &[I],
        ret: None,
        fallible: false,
        pure_fn: false,
    },
    // py_call(ctx, object index, call signature index, args: *const u64, ret: *mut u64):
    // boxes the arguments, calls ctx.objects[object], unboxes the result. The signature is
    // entry [sig] of the specialisation's `calls` table. The slot behind those of
    // the result says whether it is there: an int outside 64 bits is not. A result of another type than declared is
    // an internal error (SystemError). Array results are new references (owner slot).
    py("py_call", &[I, I, I, I]),
    // py_box(ctx, call signature index, value: *const u64, ret: *mut u64): the object of a value of the
    // signature's first argument type; a new reference, or 0 for a variable that is not bound. 0 if there is no memory.
    HelperSig {
        name: "py_box",
        ctx: true,
        params: &[I, I, I],
        ret: Some(I),
        fallible: false,
        pure_fn: false,
    },
    // py_cell(ctx, ret: *mut u64): a new empty cell.
    py("py_cell", &[I]),
    // py_cell_set(cell, object): puts an object, of which it takes the reference, or 0 into a cell.
    HelperSig {
        name: "py_cell_set",
        ctx: false,
        params: &[I, I],
        ret: None,
        fallible: false,
        pure_fn: false,
    },
    // py_frame(ctx, site, at: *const u64): keeps the operands of an exit, or of a call site whose callee has failed if
    // that was an exit.
    HelperSig {
        name: "py_frame",
        ctx: true,
        params: &[I, I],
        ret: None,
        fallible: false,
        pure_fn: false,
    },
    // py_catch(ctx, ret: *mut u64): the failure in the context becomes the exception that is handled; it and the one that
    // was handled before, or 0, are new references. An exit is no exception: a status.
    py("py_catch", &[I]),
    // py_raise(ctx, exception): fails with an exception as it is, of which it takes the reference.
    py("py_raise", &[I]),
    // py_handle(ctx, exception): the exception that is handled again, or 0, as `py_catch` gave it; takes the reference.
    HelperSig {
        name: "py_handle",
        ctx: true,
        params: &[I],
        ret: None,
        fallible: false,
        pure_fn: false,
    },
    // py_matches(ctx, exception, object index): whether it is of the class.
    HelperSig {
        name: "py_matches",
        ctx: true,
        params: &[I, I],
        ret: Some(I),
        fallible: false,
        pure_fn: false,
    },
    // py_matches_class(ctx, args: *const u64, ret: *mut u64): the same of an exception and the value of a handler's
    // class expression. TypeError as Python.
    py("py_matches_class", &[I, I]),
    // py_object(ctx, object index): a borrowed reference to ctx.objects[index].
    HelperSig {
        name: "py_object",
        ctx: true,
        params: &[I],
        ret: Some(I),
        fallible: false,
        pure_fn: true,
    },
    // py_island(ctx, island index, args: *const u64, ret: *mut u64): runs the island. The completion code
    // is the first result slot; outs, or the function's result, follow. A status without an exception is
    // an exit. References in the results are new.
    py("py_island", &[I, I, I]),
    // array_new(ctx, dtype number (DType as u8), ndim, shape: *const i64, how, ret: *mut u64 -> {data, owner}):
    // a new NumPy array, zeroed if bit 0 of `how` is set, Fortran-contiguous if bit 1 is, with strides behind the shape if bit 2 is; owner is a new reference. MemoryError / ValueError as NumPy.
    py("array_new", &[I, I, I, I, I]),
];

/// A kernel without effects.
const fn pure_kernel(name: &'static str, params: &'static [HelperType], ret: HelperType) -> HelperSig {
    HelperSig {
        name,
        ctx: false,
        params,
        ret: Some(ret),
        fallible: false,
        pure_fn: true,
    }
}

/// A kernel that stores to memory or draws.
const fn kernel(name: &'static str, params: &'static [HelperType], ret: Option<HelperType>) -> HelperSig {
    HelperSig {
        name,
        ctx: false,
        params,
        ret,
        fallible: false,
        pure_fn: false,
    }
}

/// Helpers written in this crate besides libm: see `kernels`.
pub const KERNELS: &[HelperSig] = &[
    // trace(ctx, site): records a call site while unwinding
    HelperSig {
        name: "trace",
        ctx: true,
        params: &[I],
        ret: None,
        fallible: false,
        pure_fn: false,
    },
    // ufunc(loop, data, args, shape): a NumPy inner loop on one element; operand k is at args + 16 * k
    kernel("ufunc", &[I, I, I, I], None),
    // ufunc_line(loop, data, area, operands, n): a NumPy inner loop on n elements; the area has address and stride of each operand
    kernel("ufunc_line", &[I, I, I, I, I], None),
    // elementwise(area, axes, arrays that are read, whether there is a target): orders the axes of loops over elements and
    // tells about them; elementwise_back(area, axes, arrays, copy, size of an element): copies what was written. See `elementwise`.
    kernel("elementwise", &[I, I, I, I], Some(I)),
    kernel("elementwise_back", &[I, I, I, I, I], None),
    // mask_count(area, axes); mask_take(area, axes, size of an element, to: new memory), mask_put(area, axes, size, from, its
    // stride): elements of an array where a mask is set. See `selection`.
    kernel("mask_count", &[I, I], Some(I)),
    kernel("mask_take", &[I, I, I, I], None),
    kernel("mask_put", &[I, I, I, I, I], None),
    // reduce(what, loop, data, area, out) -> whether the result is there: a reduction of a whole array, or a product of two
    // lines. See `reduce`.
    kernel("reduce", &[I, I, I, I, I], Some(I)),
    // reduce_axis(what, loop, data, area, to): along one axis of an array in C order
    kernel("reduce_axis", &[I, I, I, I, I], Some(I)),
    // Python's float // and % for a nonzero divisor, NumPy's for any
    pure_kernel("float_floordiv", &[F, F], F),
    pure_kernel("float_mod", &[F, F], F),
    pure_kernel("np_floordiv", &[F, F], F),
    pure_kernel("np_mod", &[F, F], F),
    // functions of math; float_frexp(x, out) stores the exponent
    pure_kernel("float_ldexp", &[F, I], F),
    kernel("float_frexp", &[F, I], Some(F)),
    pure_kernel("float_ulp", &[F], F),
    pure_kernel("float_round", &[F, I], F),
    // (..., out: *mut i64) -> 1 if the result left int64
    kernel("int_pow", &[I, I, I], Some(I)),
    kernel("lcm", &[I, I, I], Some(I)),
    kernel("perm", &[I, I, I], Some(I)),
    kernel("comb", &[I, I, I], Some(I)),
    pure_kernel("np_int_pow", &[I, I], I),
    pure_kernel("gcd", &[I, I], I),
    pure_kernel("isqrt", &[I], I),
    pure_kernel("pow_mod", &[I, I, I], I),
    // draws: (bitgen_t *), (bitgen_t *, range), (bitgen_t *, range, bits of the dtype), (aug_bitgen_t *)
    kernel("bitgen_double", &[I], Some(F)),
    kernel("bitgen_masked", &[I, I], Some(I)),
    kernel("bitgen_narrow", &[I, I, I], Some(I)),
    kernel("legacy_gauss", &[I], Some(F)),
    kernel("legacy_exponential", &[I], Some(F)),
    // (function, words: *const u64): calls a C function with 6 integer registers and 8 floating-point ones
    kernel("c_call_int", &[I, I], Some(I)),
    kernel("c_call_double", &[I, I], Some(F)),
    kernel("c_call_float", &[I, I], Some(F32)),
    // the C library's float32 functions
    pure_kernel("powf", &[F32, F32], F32),
    pure_kernel("hypotf", &[F32, F32], F32),
    // math.hypot of two numbers (CPython's vector_norm, which is not the C library's hypot)
    pure_kernel("py_hypot", &[F, F], F),
    // math.erf, and the C library's pow(x, 2.0)
    pure_kernel("erf", &[F], F),
    pure_kernel("square", &[F], F),
    // (in, out, n): the function of this name on n numbers, see `lanes`
    lanes("exp_lanes"),
    lanes("log_lanes"),
    lanes("square_lanes"),
    lanes("sin_lanes"),
    lanes("cos_lanes"),
    lanes("erf_lanes"),
];

const fn lanes(name: &'static str) -> HelperSig {
    kernel(name, &[I, I, I], None)
}

/// All helpers in table order: libm (1 argument), libm (2), kernels, pyrt.
pub fn all() -> impl Iterator<Item = &'static HelperSig> {
    LIBM1.iter().chain(LIBM2).chain(KERNELS).chain(PYRT)
}

pub fn count() -> usize {
    LIBM1.len() + LIBM2.len() + KERNELS.len() + PYRT.len()
}

/// Looks a helper up by name.
pub fn find(name: &str) -> Option<HelperId> {
    all().position(|h| h.name == name).map(|i| HelperId(i as u16))
}

/// The helper that computes a function on many numbers.
pub fn lanes_of(scalar: HelperId) -> Option<HelperId> {
    find(&format!("{}_lanes", sig(scalar).name))
}

/// The function that a helper computes on many numbers.
pub fn of_lanes(id: HelperId) -> Option<HelperId> {
    find(sig(id).name.strip_suffix("_lanes")?)
}

/// The declaration of a helper.
pub fn sig(id: HelperId) -> &'static HelperSig {
    all().nth(id.0 as usize).expect("helper ids come from `find`")
}
