//! What generated code and its host agree on: the call ABI, failure sites, and the helper table;
//! and the native kernels that the helpers are. No Python, no Cranelift.

pub mod abi;
pub mod elementwise;
pub mod evaluate;
mod floats;
mod foreign;
pub mod helpers;
pub mod hypot;
mod integers;
pub mod island;
pub mod kernels;
mod lanes;
mod outside;
pub mod random;
pub mod reduce;
pub mod selection;
pub mod site;

pub use abi::{Ctx, EntryFn, INLINE_TRACE, Status};
pub use helpers::{HelperId, HelperSig, HelperType};
pub use island::{Done, Extent, IslandVar, ResumePoint, ResumeSource, Way};
pub use outside::{ArrayFunction, CallSig, ObjectEntry};
pub use site::{ExitReason, FrameInfo, SiteData, SiteId, SiteKind};
