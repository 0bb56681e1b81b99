//! Whether compiled modules can run here: the processor, the interpreter.

use pyo3::ffi;

/// The features of a list that the processor lacks. A name that is not known counts as missing.
pub fn missing(features: &[String]) -> impl Iterator<Item = &str> {
    features.iter().map(String::as_str).filter(|f| !has(f))
}

macro_rules! detect {
    ($detect:ident, $name:expr, $($feature:tt)*) => {
        match $name {
            $($feature => std::arch::$detect!($feature),)*
            _ => false,
        }
    };
}

#[cfg(target_arch = "x86_64")]
fn has(name: &str) -> bool {
    detect!(is_x86_feature_detected, name, "sse3" "ssse3" "sse4.1" "sse4.2" "popcnt" "avx" "avx2" "bmi1" "bmi2"
        "fma" "lzcnt" "cmpxchg16b" "avxvnni" "avx512bitalg" "avx512dq" "avx512f"
        "avx512vbmi" "avx512vl" "avx512vnni")
}

#[cfg(target_arch = "aarch64")]
fn has(name: &str) -> bool {
    detect!(is_aarch64_feature_detected, name, "lse" "paca" "fp16")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has(_: &str) -> bool {
    false
}

/// Whether the current interpreter is the first of the process: what a library keeps belongs to one.
pub fn interpreter_is_main() -> bool {
    // SAFETY: called with the GIL held, so there is an interpreter.
    unsafe { ffi::PyInterpreterState_GetID(ffi::PyInterpreterState_Get()) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_features_are_missing() {
        let features = ["no such thing".to_owned()];
        assert_eq!(missing(&features).collect::<Vec<_>>(), ["no such thing"]);
    }
}
