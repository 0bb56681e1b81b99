//! Executable memory of a blob.

use memmap2::{Mmap, MmapMut};
use numlift_runtime::EntryFn;
use numlift_runtime::abi::CodeBlob;

/// A loaded blob: its memory is freed on drop.
#[derive(Debug)]
pub struct Code {
    entry: EntryFn,
    /// what `entry` is in
    _map: Mmap,
}

impl Code {
    /// Maps the blob's code executable.
    ///
    /// # Errors
    /// If the system refuses the memory.
    pub fn load(blob: &CodeBlob) -> std::io::Result<Code> {
        let mut map = MmapMut::map_anon(blob.code.len().max(1))?;
        map[..blob.code.len()].copy_from_slice(&blob.code);
        let map = map.make_exec()?;
        // SAFETY: `entry` is the offset of the thunk in the blob, which has this signature.
        let entry =
            unsafe { std::mem::transmute::<*const u8, EntryFn>(map.as_ptr().add(blob.entry as usize)) };
        Ok(Code { entry, _map: map })
    }

    /// The entry thunk; valid while `self` lives.
    #[inline(always)]
    pub fn entry(&self) -> EntryFn {
        self.entry
    }
}
