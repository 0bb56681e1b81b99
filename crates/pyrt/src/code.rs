//! Executable memory of a blob.

use memmap2::{Mmap, MmapMut};
use numlift_runtime::EntryFn;
use numlift_runtime::abi::CodeBlob;

/// A loaded blob: its memory is freed on drop.
#[derive(Debug)]
pub struct Code {
    map: Mmap,
    entry: usize,
}

impl Code {
    /// Maps the blob's code executable.
    ///
    /// # Errors
    /// If the system refuses the memory.
    pub fn load(blob: &CodeBlob) -> std::io::Result<Code> {
        let mut map = MmapMut::map_anon(blob.code.len().max(1))?;
        map[..blob.code.len()].copy_from_slice(&blob.code);
        Ok(Code {
            map: map.make_exec()?,
            entry: blob.entry as usize,
        })
    }

    /// The entry thunk; valid while `self` lives.
    pub fn entry(&self) -> EntryFn {
        // SAFETY: `entry` is the offset of the thunk in the blob, which has this signature.
        unsafe { std::mem::transmute::<*const u8, EntryFn>(self.map.as_ptr().add(self.entry)) }
    }
}
