//! Where the payload is: behind everything else in memory, at a distance that is written into this library.

use std::sync::OnceLock;

use numlift_pyrt::payload::{self, Defect, Payload};

/// Found by its text and written by `numlift_aot::stub`.
#[repr(C)]
struct Locator {
    text: [u8; 16],
    /// From here to the payload.
    distance: u64,
    size: u64,
}

#[used]
static LOCATOR: Locator = Locator {
    text: *b"numlift-payload:",
    distance: 0,
    size: 0,
};

/// The note whose program header `numlift_aot::stub` uses for the payload's segment.
#[repr(C, align(4))]
struct Note {
    name_size: u32,
    size: u32,
    kind: u32,
    name: [u8; 8],
}

#[used]
#[unsafe(link_section = ".note.numlift")]
static NOTE: Note = Note {
    name_size: 8,
    size: 0,
    kind: 1,
    name: *b"numlift\0",
};

/// The payload of this module, read once.
///
/// # Errors
/// If there is none, or it is damaged.
pub fn payload() -> Result<&'static Payload, Defect> {
    static READ: OnceLock<Result<Payload, Defect>> = OnceLock::new();
    READ.get_or_init(|| payload::read(bytes()))
        .as_ref()
        .map_err(|d| *d)
}

fn bytes() -> &'static [u8] {
    let locator = &raw const LOCATOR;
    // SAFETY: the locator is read as what the file holds, not as what was compiled. A size that is not zero
    // was written with the distance to that many bytes of the same library, which stay mapped.
    unsafe {
        let size = (&raw const (*locator).size).read_volatile() as usize;
        let distance = (&raw const (*locator).distance).read_volatile() as usize;
        if size == 0 {
            return &[];
        }
        std::slice::from_raw_parts(locator.cast::<u8>().wrapping_add(distance), size)
    }
}
