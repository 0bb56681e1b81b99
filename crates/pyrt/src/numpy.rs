//! NumPy's C API, the few functions used, and its object layouts (NumPy 2).

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;

use numlift_runtime::ArrayFunction;
use numlift_types::DType;
use pyo3::ffi::{self, PyObject, PyTypeObject};
use pyo3::prelude::*;

/// `PyArrayObject_fields`
#[repr(C)]
pub struct ArrayObject {
    pub head: PyObject,
    pub data: *mut u8,
    pub nd: c_int,
    pub dimensions: *mut isize,
    pub strides: *mut isize,
    pub base: *mut PyObject,
    pub descr: *mut DescrObject,
    pub flags: c_int,
}

/// The head of `PyArray_Descr`.
#[repr(C)]
pub struct DescrObject {
    pub head: PyObject,
    pub typeobj: *mut PyTypeObject,
    pub kind: i8,
    pub type_char: i8,
    pub byteorder: i8,
    pub former_flags: i8,
    pub type_num: c_int,
}

pub const C_CONTIGUOUS: c_int = 1;
pub const F_CONTIGUOUS: c_int = 2;
pub const ALIGNED: c_int = 0x100;
pub const WRITEABLE: c_int = 0x400;

/// Addresses found once in `_ARRAY_API` and the scalar classes.
pub struct Api {
    table: *const *const c_void,
    pub array_type: *mut PyTypeObject,
    /// Scalar classes by `DType as usize`.
    pub scalar_types: [*mut PyTypeObject; 13],
    descrs: [*mut PyObject; 13],
    /// Classes whose instances are compile-time constants, known by their identity.
    constant_types: Vec<*mut PyTypeObject>,
    /// Class of Python functions.
    pub function_type: *mut PyTypeObject,
    /// Class of the classes of dtype objects.
    dtype_meta: *mut PyTypeObject,
    /// Class of the classes of C functions of ctypes.
    c_function_meta: *mut PyTypeObject,
}

// SAFETY: the addresses are of immortal objects and functions; they are only used with the GIL held.
unsafe impl Send for Api {}
// SAFETY: as above.
unsafe impl Sync for Api {}

static API: OnceLock<Api> = OnceLock::new();

type DescrFromType = unsafe extern "C" fn(c_int) -> *mut PyObject;
type NewFromDescr = unsafe extern "C" fn(
    *mut PyTypeObject,
    *mut PyObject,
    c_int,
    *const isize,
    *const isize,
    *mut c_void,
    c_int,
    *mut PyObject,
) -> *mut PyObject;
type Make = unsafe extern "C" fn(c_int, *const isize, *mut PyObject, c_int) -> *mut PyObject;
type MakeScalar = unsafe extern "C" fn(*const c_void, *mut PyObject, *mut PyObject) -> *mut PyObject;
type ArrayFunctions = unsafe extern "C" fn(*mut PyObject) -> *const *mut c_void;
type SetBase = unsafe extern "C" fn(*mut PyObject, *mut PyObject) -> c_int;

/// Loads the API.
///
/// # Errors
/// If NumPy cannot be imported or is older than 2.
pub fn init(py: Python<'_>) -> PyResult<&'static Api> {
    if let Some(api) = API.get() {
        return Ok(api);
    }
    let umath = py.import("numpy._core._multiarray_umath")?;
    let capsule = umath.getattr("_ARRAY_API")?;
    // SAFETY: the capsule's name is NULL, as NumPy's import_array expects.
    let table = unsafe { ffi::PyCapsule_GetPointer(capsule.as_ptr(), std::ptr::null()) };
    if table.is_null() {
        return Err(PyErr::fetch(py));
    }
    let table = table.cast::<*const c_void>().cast_const();
    let np = py.import("numpy")?;
    let mut scalar_types = [std::ptr::null_mut(); 13];
    let mut descrs = [std::ptr::null_mut(); 13];
    for d in DType::ALL {
        let name = if d == DType::Bool { "bool_" } else { d.name() };
        let class = np.getattr(name)?;
        scalar_types[d as usize] = class.into_ptr().cast();
        // SAFETY: entry 45 is PyArray_DescrFromType, which takes a type number.
        descrs[d as usize] = unsafe {
            let f: DescrFromType = std::mem::transmute(*table.add(45));
            f(d.type_num())
        };
    }
    let class = |o: Bound<'_, PyAny>| o.get_type().into_ptr().cast::<PyTypeObject>();
    let types = py.import("types")?;
    let function_type: *mut PyTypeObject = types.getattr("FunctionType")?.into_ptr().cast();
    let mut constant_types = vec![function_type];
    for name in ["BuiltinFunctionType", "ModuleType"] {
        constant_types.push(types.getattr(name)?.into_ptr().cast());
    }
    // a ufunc, a function with `__array_function__`, a class
    for name in ["add", "sum", "ndarray"] {
        constant_types.push(class(np.getattr(name)?));
    }
    let dtype_meta = class(class_of(&np.getattr("dtype")?.call1(("float64",))?));
    let c_function_meta = class(py.import("_ctypes")?.getattr("CFuncPtr")?);
    // SAFETY: entry 2 is the address of PyArray_Type.
    let array_type = unsafe { *table.add(2) } as *mut PyTypeObject;
    Ok(API.get_or_init(|| Api {
        table,
        array_type,
        scalar_types,
        descrs,
        constant_types,
        function_type,
        dtype_meta,
        c_function_meta,
    }))
}

fn class_of<'py>(o: &Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    o.get_type().into_any()
}

/// The API; loaded when the module is.
pub fn api() -> &'static Api {
    API.get()
        .expect("`init` ran when the extension module was imported")
}

/// Whether a class is that of arrays. Does not panic.
#[inline(always)]
pub(crate) fn is_array(class: *mut PyTypeObject) -> bool {
    API.get().is_some_and(|api| class == api.array_type)
}

/// The dtype object.
///
/// # Errors
/// None; the signature is that of its callers.
pub fn dtype(py: Python<'_>, d: DType) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: `descr` gives a new reference and the GIL is held.
    unsafe { Bound::from_owned_ptr_or_err(py, api().descr(d)) }
}

impl Api {
    /// The dtype of a NumPy scalar class.
    pub fn scalar_dtype(&self, class: *mut PyTypeObject) -> Option<DType> {
        let at = self.scalar_types.iter().position(|t| *t == class)?;
        DType::ALL.get(at).copied()
    }

    /// Whether an argument of this class is a constant to the compiler: functions, classes, builtins,
    /// ufuncs, modules, dtypes, jitted functions.
    ///
    /// # Safety
    /// `class` is the class of the live object `o`; the GIL is held.
    pub unsafe fn is_constant(&self, o: *mut PyObject, class: *mut PyTypeObject) -> bool {
        self.constant_types.contains(&class)
            // SAFETY: as promised by the caller.
            || unsafe { ffi::Py_TYPE(class.cast()) } == self.dtype_meta
            // SAFETY: as promised by the caller.
            || unsafe { ffi::Py_TYPE(class.cast()) } == self.c_function_meta
            // SAFETY: as promised by the caller.
            || unsafe { crate::object::is_dispatcher(o) }
    }

    fn descr(&self, d: DType) -> *mut PyObject {
        let p = self.descrs[d as usize];
        // SAFETY: descriptors are immortal for built-in types; callees steal a reference.
        unsafe { ffi::Py_INCREF(p) };
        p
    }

    /// A function of a dtype that NumPy knows.
    pub(crate) fn array_function(&self, d: DType, which: ArrayFunction) -> Option<*mut c_void> {
        // 21 casts are before all others in `PyArray_ArrFuncs`
        let at = match which {
            ArrayFunction::ArgMax => 26,
            ArrayFunction::Dot => 27,
            ArrayFunction::ArgMin => 46,
        };
        // SAFETY: entry 365 is _PyDataType_GetArrFuncs, which borrows the descriptor; what it gives lives as long.
        let f = unsafe {
            let get: ArrayFunctions = std::mem::transmute(*self.table.add(365));
            *get(self.descrs[d as usize]).add(at)
        };
        (!f.is_null()).then_some(f)
    }

    /// A new array (a new reference), NULL with an exception set on failure.
    ///
    /// # Safety
    /// The GIL is held and `shape` has `nd` entries.
    pub unsafe fn new_array(
        &self,
        d: DType,
        nd: c_int,
        shape: *const isize,
        zeroed: bool,
        fortran: bool,
    ) -> *mut PyObject {
        // SAFETY: entries 183 and 184 are PyArray_Zeros and PyArray_Empty.
        unsafe {
            let f: Make = std::mem::transmute(*self.table.add(if zeroed { 183 } else { 184 }));
            f(nd, shape, self.descr(d), c_int::from(fortran))
        }
    }

    /// A new array with these strides (a new reference), NULL with an exception set on failure.
    ///
    /// # Safety
    /// The GIL is held; `shape` and `strides` have `nd` entries, and the strides leave no gaps.
    pub unsafe fn new_strided(
        &self,
        d: DType,
        nd: c_int,
        shape: *const isize,
        strides: *const isize,
    ) -> *mut PyObject {
        // SAFETY: entry 94 is PyArray_NewFromDescr, which allocates memory if it is given none.
        unsafe {
            let make: NewFromDescr = std::mem::transmute(*self.table.add(94));
            let (none, nothing) = (std::ptr::null_mut(), std::ptr::null_mut());
            make(
                self.array_type,
                self.descr(d),
                nd,
                shape,
                strides,
                none,
                0,
                nothing,
            )
        }
    }

    /// A view of memory that `base` keeps alive (a new reference to it is taken).
    ///
    /// # Safety
    /// The GIL is held; the memory is described rightly and lives as long as `base`.
    pub unsafe fn new_view(
        &self,
        d: DType,
        shape: &[isize],
        strides: &[isize],
        data: *mut c_void,
        writeable: bool,
        base: *mut PyObject,
    ) -> *mut PyObject {
        // SAFETY: entries 94 and 282 are PyArray_NewFromDescr and PyArray_SetBaseObject.
        unsafe {
            let make: NewFromDescr = std::mem::transmute(*self.table.add(94));
            let set_base: SetBase = std::mem::transmute(*self.table.add(282));
            let flags = if writeable { WRITEABLE | ALIGNED } else { ALIGNED };
            let a = make(
                self.array_type,
                self.descr(d),
                shape.len() as c_int,
                shape.as_ptr(),
                strides.as_ptr(),
                data,
                flags,
                std::ptr::null_mut(),
            );
            if a.is_null() {
                return a;
            }
            ffi::Py_INCREF(base);
            if set_base(a, base) < 0 {
                ffi::Py_DECREF(a);
                return std::ptr::null_mut();
            }
            a
        }
    }

    /// A NumPy scalar from its memory form.
    ///
    /// # Safety
    /// The GIL is held and `data` points to an element of the dtype.
    pub unsafe fn new_scalar(&self, d: DType, data: *const c_void) -> *mut PyObject {
        // SAFETY: entry 60 is PyArray_Scalar, which borrows the descriptor.
        unsafe {
            let f: MakeScalar = std::mem::transmute(*self.table.add(60));
            f(data, self.descrs[d as usize], std::ptr::null_mut())
        }
    }
}
