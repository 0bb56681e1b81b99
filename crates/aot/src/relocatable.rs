//! Object files: the machine code of specialisations, for disassemblers and for size accounts.

use object::write::{Object, StandardSection, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SymbolFlags, SymbolKind, SymbolScope};

use crate::Error;

/// A piece of machine code with a name.
#[derive(Clone, Copy, Debug)]
pub struct Function<'a> {
    pub name: &'a str,
    pub code: &'a [u8],
    /// Offset of the entry thunk.
    pub entry: u32,
    pub align: u32,
}

/// A relocatable ELF file of this machine with the functions in `.text`; the symbols are their entry thunks.
///
/// # Errors
/// If the file cannot be laid out.
pub fn write(functions: &[Function<'_>]) -> Result<Vec<u8>, Error> {
    let architecture = if cfg!(target_arch = "aarch64") {
        Architecture::Aarch64
    } else {
        Architecture::X86_64
    };
    let mut file = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
    let text = file.section_id(StandardSection::Text);
    for f in functions {
        let start = file.append_section_data(text, f.code, u64::from(f.align.max(1)));
        file.add_symbol(Symbol {
            name: f.name.as_bytes().to_vec(),
            value: start + u64::from(f.entry),
            size: (f.code.len() as u64).saturating_sub(u64::from(f.entry)),
            kind: SymbolKind::Text,
            scope: SymbolScope::Dynamic,
            weak: false,
            section: SymbolSection::Section(text),
            flags: SymbolFlags::None,
        });
    }
    file.write().map_err(|_| Error::Large)
}

#[cfg(test)]
mod tests {
    use object::{Object as _, ObjectSymbol as _};

    use super::*;

    #[test]
    fn symbols_are_the_entry_thunks() {
        let code = [0xC3_u8; 70];
        let f = |name| Function {
            name,
            code: &code,
            entry: 64,
            align: 64,
        };
        let made = write(&[f("a"), f("b")]).expect("small");
        let read = object::File::parse(&*made).expect("an object file");
        let symbols: Vec<(String, u64)> = read
            .symbols()
            .filter(|s| s.is_definition())
            .map(|s| (s.name().unwrap_or("").to_owned(), s.address()))
            .filter(|(name, _)| !name.is_empty())
            .collect();
        assert_eq!(symbols, [("a".to_owned(), 64), ("b".to_owned(), 192)]);
    }
}
