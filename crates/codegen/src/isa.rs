//! The target descriptions: one per combination of options, made on first use and kept.

use std::sync::{Arc, OnceLock};

use cranelift_codegen::isa::TargetIsa;
use cranelift_codegen::settings::{self, Configurable, SetError};

use crate::{CodegenError, Options};

/// A Cranelift target and what lowering must know about it.
pub(crate) struct Isa {
    pub target: Arc<dyn TargetIsa>,
    /// `ffloor`, `fceil`, `ftrunc`, `fnearest` are instructions (else Cranelift calls the C library).
    pub native_round: bool,
    /// Vector constants may lie at any address.
    pub unaligned_simd: bool,
}

static CACHE: [OnceLock<Result<Isa, String>>; 8] = [const { OnceLock::new() }; 8];

pub(crate) fn get(opts: &Options) -> Result<&'static Isa, CodegenError> {
    let index =
        usize::from(opts.opt_level_speed) | usize::from(opts.verify) << 1 | usize::from(opts.host_cpu) << 2;
    let made = CACHE[index].get_or_init(|| make(opts));
    made.as_ref().map_err(|e| CodegenError::Host(e.clone()))
}

/// The shared target description, for ahead-of-time compilation and reports.
pub fn target_isa(opts: &Options) -> Result<Arc<dyn TargetIsa>, CodegenError> {
    get(opts).map(|isa| isa.target.clone())
}

fn make(opts: &Options) -> Result<Isa, String> {
    let flags = flags(opts).map_err(|e| e.to_string())?;
    let builder = cranelift_native::builder_with_options(opts.host_cpu)?;
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
            host_cpu: false,
            ..opts
        })
        .expect("host");
        assert!(!Arc::ptr_eq(&a, &c));
    }
}
