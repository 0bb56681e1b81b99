//! The target descriptions: one per combination of options, made on first use and kept.

use std::sync::{Arc, OnceLock};

use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::{self, Configurable, SetError};

use crate::{CodegenError, Cpu, Options};

/// A Cranelift target and what lowering must know about it.
pub(crate) struct Isa {
    pub target: Arc<dyn TargetIsa>,
    /// `ffloor`, `fceil`, `ftrunc`, `fnearest` are instructions (else Cranelift calls the C library).
    pub native_round: bool,
    /// Vector constants may lie at any address.
    pub unaligned_simd: bool,
}

static CACHE: [OnceLock<Result<Isa, String>>; 12] = [const { OnceLock::new() }; 12];

pub(crate) fn get(opts: &Options) -> Result<&'static Isa, CodegenError> {
    let index = usize::from(opts.opt_level_speed) | usize::from(opts.verify) << 1 | (opts.cpu as usize) << 2;
    let made = CACHE[index].get_or_init(|| make(opts));
    made.as_ref().map_err(|e| CodegenError::Host(e.clone()))
}

/// The shared target description, for ahead-of-time compilation and reports.
pub fn target_isa(opts: &Options) -> Result<Arc<dyn TargetIsa>, CodegenError> {
    get(opts).map(|isa| isa.target.clone())
}

fn make(opts: &Options) -> Result<Isa, String> {
    let flags = flags(opts).map_err(|e| e.to_string())?;
    let mut builder = cranelift_native::builder_with_options(opts.cpu == Cpu::Host)?;
    if opts.cpu == Cpu::X86V3 {
        for name in X86V3 {
            builder.enable(name).map_err(|_| "this is no x86-64 machine")?;
        }
    }
    let target = builder.finish(flags).map_err(|e| e.to_string())?;
    if target.pointer_bytes() != 8 || cfg!(target_endian = "big") {
        return Err("only 64-bit little-endian hosts are supported".into());
    }
    let has = |name: &str| {
        target
            .isa_flags()
            .iter()
            .any(|f| f.name == name && f.as_bool() == Some(true))
    };
    let x86 = target.name() == "x64";
    let (native_round, unaligned_simd) = (!x86 || has("has_sse41"), !x86 || has("has_avx"));
    Ok(Isa {
        target,
        native_round,
        unaligned_simd,
    })
}

/// What x86-64-v3 has beyond the baseline.
const X86V3: [&str; 12] = [
    "has_cmpxchg16b",
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
];

/// Cranelift's names of features that Rust spells otherwise.
const RENAMED: &[(&str, &str)] = &[
    ("sse41", "sse4.1"),
    ("sse42", "sse4.2"),
    ("avx_vnni", "avxvnni"),
    ("pauth", "paca"),
];

/// What code with these options needs of the processor, as Rust names it: `avx2`.
///
/// # Errors
/// If there is no code generation for the host.
pub fn features(opts: &Options) -> Result<Vec<&'static str>, CodegenError> {
    let all = get(opts)?.target.isa_flags();
    let on = all.into_iter().filter(|f| f.as_bool() == Some(true));
    Ok(on
        .filter_map(|f| f.name.strip_prefix("has_"))
        .map(|name| {
            RENAMED
                .iter()
                .find(|(from, _)| *from == name)
                .map_or(name, |r| r.1)
        })
        .collect())
}

fn flags(opts: &Options) -> Result<settings::Flags, SetError> {
    let mut b = settings::builder();
    b.set("opt_level", if opts.opt_level_speed { "speed" } else { "none" })?;
    b.set("enable_verifier", if opts.verify { "true" } else { "false" })?;
    b.set("machine_code_cfg_info", "true")?;
    b.set("unwind_info", "false")?;
    b.set("enable_probestack", "false")?;
    b.set("is_pic", "false")?;
    Ok(settings::Flags::new(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_description_per_options() {
        let opts = Options::default();
        let (a, b) = (target_isa(&opts).expect("host"), target_isa(&opts).expect("host"));
        assert!(Arc::ptr_eq(&a, &b));
        let c = target_isa(&Options {
            cpu: Cpu::Baseline,
            ..opts
        })
        .expect("host");
        assert!(!Arc::ptr_eq(&a, &c));
    }

    #[test]
    fn features_are_those_of_the_options() {
        let of = |cpu| {
            let opts = Options {
                cpu,
                ..Options::default()
            };
            features(&opts).expect("host")
        };
        assert!(of(Cpu::Host).len() > of(Cpu::Baseline).len());
        if cfg!(target_arch = "x86_64") {
            assert!(of(Cpu::X86V3).contains(&"sse4.2") && of(Cpu::X86V3).contains(&"avx2"));
            assert!(of(Cpu::Baseline).is_empty());
        }
    }
}
