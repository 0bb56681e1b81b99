//! The stub, rewritten: a 64-bit little-endian ELF file of a shared library.
//!
//! The stub has one dynamic symbol of its own, `PyInit_numlift_stub`, and others that only this file looks for.
//! What is written has a segment more, behind everything else: machine code, payload, and the symbols that the
//! module exports, with their names, versions and hash table. Its program header takes the place of a note's,
//! which is what the stub has it for, so nothing that is loaded moves and tools that rewrite files (`strip`) find
//! what they know. Undefined symbols keep their numbers: relocations refer to these alone.

use object::elf::{
    self, DT_GNU_HASH, DT_NULL, DT_STRSZ, DT_STRTAB, DT_SYMTAB, DT_VERSYM, Dyn64, FileHeader64,
    ProgramHeader64, Rela64, SectionHeader64, Sym64,
};
use object::endian::LittleEndian as Le;
use object::pod::{Pod, bytes_of, bytes_of_slice, from_bytes, slice_from_bytes};

use crate::Error;

/// Segments begin at multiples of it: the largest page of the systems that there are.
const PAGE: u64 = 0x1_0000;

/// Name of the section of machine code and payload.
const SECTION: &[u8] = b".numlift\0";

/// What is before the distance and the size of the payload in the stub's own data.
pub const LOCATOR: [u8; 16] = *b"numlift-payload:";

/// A symbol that the module exports: its name, and how far it is from the beginning of the machine code. It may be
/// a function of the stub.
#[derive(Clone, Copy, Debug)]
pub struct Export<'a> {
    pub name: &'a str,
    pub distance: i64,
}

/// What is written into a copy of the stub.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// Last part of the module's name.
    pub init: &'a str,
    pub code: &'a [u8],
    /// What the stub reads.
    pub payload: &'a [u8],
    pub exports: &'a [Export<'a>],
    /// Without what is not loaded: the symbol table of the stub.
    pub strip: bool,
}

/// The parsed stub.
pub struct Stub<'a> {
    data: &'a [u8],
    header: FileHeader64<Le>,
    programs: Vec<ProgramHeader64<Le>>,
    sections: Vec<SectionHeader64<Le>>,
    symbols: Vec<Sym64<Le>>,
    /// Symbols up to here are undefined.
    undefined: usize,
    /// Address of the new segment.
    base: u64,
}

type Parsed<T> = Result<T, Error>;

fn damaged<T>(what: &'static str) -> Parsed<T> {
    Err(Error::Stub(what))
}

fn table<T: Pod + Copy>(data: &[u8], offset: u64, count: usize) -> Parsed<Vec<T>> {
    let part = usize::try_from(offset).ok().and_then(|o| data.get(o..));
    match part.map(|d| slice_from_bytes::<T>(d, count)) {
        Some(Ok((found, _))) => Ok(found.to_vec()),
        _ => damaged("a table is outside the file"),
    }
}

impl<'a> Stub<'a> {
    /// Reads the tables that change.
    ///
    /// # Errors
    /// If the file is not a stub.
    pub fn parse(data: &'a [u8]) -> Parsed<Stub<'a>> {
        let Ok((header, _)) = from_bytes::<FileHeader64<Le>>(data) else {
            return damaged("no header");
        };
        let ident = &header.e_ident;
        if ident.magic != elf::ELFMAG || ident.class != elf::ELFCLASS64 || ident.data != elf::ELFDATA2LSB {
            return damaged("no ELF file of 64 bits");
        }
        let programs: Vec<ProgramHeader64<Le>> =
            table(data, header.e_phoff.get(Le), header.e_phnum.get(Le).into())?;
        let sections: Vec<SectionHeader64<Le>> =
            table(data, header.e_shoff.get(Le), header.e_shnum.get(Le).into())?;
        let loaded = programs.iter().filter(|p| p.p_type.get(Le) == elf::PT_LOAD);
        let end = loaded
            .map(|p| p.p_vaddr.get(Le).saturating_add(p.p_memsz.get(Le)))
            .max();
        let mut stub = Stub {
            data,
            header: *header,
            programs,
            sections,
            symbols: vec![],
            undefined: 0,
            base: end.unwrap_or(0).next_multiple_of(PAGE),
        };
        let symbols = stub.section(elf::SHT_DYNSYM)?;
        let count = symbols.sh_size.get(Le) as usize / size_of::<Sym64<Le>>();
        stub.symbols = table(data, symbols.sh_offset.get(Le), count)?;
        let is_undefined = |s: &Sym64<Le>| s.st_shndx.get(Le) == elf::SHN_UNDEF;
        stub.undefined = stub.symbols.iter().take_while(|s| is_undefined(s)).count();
        stub.check_relocations()?;
        Ok(stub)
    }

    fn section(&self, kind: u32) -> Parsed<&SectionHeader64<Le>> {
        let found = self.sections.iter().find(|s| s.sh_type.get(Le) == kind);
        found.ok_or(Error::Stub("a section is missing"))
    }

    fn check_relocations(&self) -> Parsed<()> {
        for s in self
            .sections
            .iter()
            .filter(|s| s.sh_type.get(Le) == elf::SHT_RELA)
        {
            let count = s.sh_size.get(Le) as usize / size_of::<Rela64<Le>>();
            let all: Vec<Rela64<Le>> = table(self.data, s.sh_offset.get(Le), count)?;
            if all.iter().any(|r| r.r_sym(Le, false) as usize >= self.undefined) {
                return damaged("a relocation to a symbol of its own");
            }
        }
        Ok(())
    }

    fn names(&self) -> Parsed<&'a [u8]> {
        let at = self.section(elf::SHT_DYNSYM)?.sh_link.get(Le) as usize;
        let Some(s) = self.sections.get(at) else {
            return damaged("no names");
        };
        let (start, size) = (s.sh_offset.get(Le) as usize, s.sh_size.get(Le) as usize);
        let found = start.checked_add(size).and_then(|end| self.data.get(start..end));
        found.ok_or(Error::Stub("no names"))
    }

    /// The symbol that the stub defines under a name.
    ///
    /// # Errors
    /// If there is none.
    fn symbol(&self, name: &str) -> Parsed<&Sym64<Le>> {
        let names = self.names()?;
        let is = |s: &&Sym64<Le>| {
            let from = names.get(s.st_name.get(Le) as usize..).unwrap_or_default();
            from.strip_prefix(name.as_bytes())
                .is_some_and(|rest| rest.first() == Some(&0))
        };
        let found = self.symbols[self.undefined..].iter().find(is);
        found.ok_or(Error::Stub("a symbol is missing"))
    }

    /// How far a function of the stub is from the beginning of the machine code.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn distance(&self, name: &str) -> Parsed<i64> {
        Ok(self.symbol(name)?.st_value.get(Le).wrapping_sub(self.base) as i64)
    }

    /// The file of a module.
    ///
    /// # Errors
    /// If the stub lacks what is needed, or the file would be too large.
    pub fn write(&self, contents: &Contents<'_>) -> Parsed<Vec<u8>> {
        let mut segment = contents.code.to_vec();
        let payload_at = align(&mut segment, 64);
        segment.extend_from_slice(contents.payload);
        let body = segment.len() as u64;
        let tables = self.tables(&mut segment, contents.init, contents.exports)?;
        let mut out = self.data.to_vec();
        self.locate(&mut out, self.base + payload_at, contents.payload.len() as u64)?;
        self.change_dynamic(&mut out, &tables)?;
        let start = match contents.strip {
            true => self.loaded_bytes().next_multiple_of(PAGE),
            false => (out.len() as u64).next_multiple_of(PAGE),
        };
        out.resize(start as usize, 0);
        out.extend_from_slice(&segment);
        self.add_segment(&mut out, start, segment.len() as u64)?;
        self.add_sections(&mut out, start, body, &tables)?;
        Ok(out)
    }

    /// Where what is loaded ends in the file.
    fn loaded_bytes(&self) -> u64 {
        let loaded = self.programs.iter().filter(|p| p.p_type.get(Le) == elf::PT_LOAD);
        let ends = loaded.map(|p| p.p_offset.get(Le).saturating_add(p.p_filesz.get(Le)));
        ends.max().unwrap_or(0)
    }

    /// Appends symbols, names, versions and hash table to the segment.
    fn tables(&self, segment: &mut Vec<u8>, init: &str, exports: &[Export<'_>]) -> Parsed<Tables> {
        let own = *self.symbol("PyInit_numlift_stub")?;
        let number = own.st_shndx;
        let init = format!("PyInit_{init}");
        let mut defined = vec![(init.as_str(), own.st_value.get(Le), own.st_size.get(Le))];
        defined.extend(
            exports
                .iter()
                .map(|e| (e.name, self.base.wrapping_add_signed(e.distance), 0)),
        );
        let mut names = self.names()?.to_vec();
        let mut symbols = self.symbols[..self.undefined].to_vec();
        for (name, value, size) in &defined {
            let at = u32::try_from(names.len()).map_err(|_| Error::Large)?;
            names.extend_from_slice(name.as_bytes());
            names.push(0);
            let mut s = own;
            s.st_name.set(Le, at);
            s.st_value.set(Le, *value);
            s.st_size.set(Le, *size);
            s.st_shndx = number;
            symbols.push(s);
        }
        let versions = self.versions(defined.len())?;
        let hashes: Vec<u32> = defined
            .iter()
            .map(|(name, ..)| elf::gnu_hash(name.as_bytes()))
            .collect();
        let hash = gnu_hash_table(&hashes, self.undefined as u32);
        let mut put = |bytes: &[u8]| {
            let at = align(segment, 8);
            segment.extend_from_slice(bytes);
            (self.base + at, bytes.len() as u64)
        };
        Ok(Tables {
            symbols: put(bytes_of_slice(&symbols)),
            names: put(&names),
            versions: put(&versions),
            hash: put(&hash),
        })
    }

    /// The versions of the undefined symbols, then 1 (global) for each of the others.
    fn versions(&self, defined: usize) -> Parsed<Vec<u8>> {
        let s = self.section(elf::SHT_GNU_VERSYM)?;
        let mut all: Vec<[u8; 2]> = table(self.data, s.sh_offset.get(Le), self.undefined)?;
        all.resize(self.undefined + defined, [1, 0]);
        Ok(all.concat())
    }

    /// Writes where the payload is, as a distance.
    fn locate(&self, out: &mut [u8], address: u64, size: u64) -> Parsed<()> {
        let places = self.data.windows(LOCATOR.len()).enumerate();
        let mut places = places.filter(|(_, w)| **w == LOCATOR).map(|(at, _)| at);
        let (Some(at), None) = (places.next(), places.next()) else {
            return damaged("no place for the payload");
        };
        let distance = address.wrapping_sub(self.address(at as u64)?);
        put(out, at as u64 + 16, &distance.to_le_bytes())?;
        put(out, at as u64 + 24, &size.to_le_bytes())
    }

    /// Where a byte of the file is in memory.
    fn address(&self, offset: u64) -> Parsed<u64> {
        let inside = |p: &&ProgramHeader64<Le>| {
            let start = p.p_offset.get(Le);
            p.p_type.get(Le) == elf::PT_LOAD && (start..start + p.p_filesz.get(Le)).contains(&offset)
        };
        let found = self.programs.iter().find(inside);
        let p = found.ok_or(Error::Stub("a part that is not loaded"))?;
        Ok(offset - p.p_offset.get(Le) + p.p_vaddr.get(Le))
    }

    fn change_dynamic(&self, out: &mut [u8], tables: &Tables) -> Parsed<()> {
        let Some(p) = self.programs.iter().find(|p| p.p_type.get(Le) == elf::PT_DYNAMIC) else {
            return damaged("no dynamic section");
        };
        let start = p.p_offset.get(Le);
        let count = p.p_filesz.get(Le) as usize / size_of::<Dyn64<Le>>();
        let mut all: Vec<Dyn64<Le>> = table(self.data, start, count)?;
        let wanted = [
            (DT_SYMTAB, tables.symbols.0),
            (DT_STRTAB, tables.names.0),
            (DT_STRSZ, tables.names.1),
            (DT_VERSYM, tables.versions.0),
            (DT_GNU_HASH, tables.hash.0),
        ];
        for (tag, value) in wanted {
            let Some(d) = all.iter_mut().find(|d| d.d_tag.get(Le) == tag) else {
                return damaged("a dynamic entry is missing");
            };
            d.d_val.set(Le, value);
        }
        // The older hash table would be that of other symbols. A stub built for development needs a libpython,
        // a module has that of the process.
        let names = self.names()?;
        all.retain(|d| match d.d_tag.get(Le) {
            elf::DT_HASH => false,
            elf::DT_NEEDED => {
                let name = names.get(d.d_val.get(Le) as usize..).unwrap_or_default();
                !name.starts_with(b"libpython")
            }
            _ => true,
        });
        let end = Dyn64 {
            d_tag: object::I64::new(Le, DT_NULL),
            d_val: object::U64::new(Le, 0),
        };
        all.resize(count, end);
        put(out, start, bytes_of_slice(&all))
    }

    /// The program header of the segment takes the place of the first note's; loaded segments are in order.
    fn add_segment(&self, out: &mut [u8], start: u64, size: u64) -> Parsed<()> {
        let kind = |p: &ProgramHeader64<Le>| p.p_type.get(Le);
        let Some(note) = self.programs.iter().position(|p| kind(p) == elf::PT_NOTE) else {
            return damaged("no room for a segment");
        };
        let mut programs = self.programs.clone();
        let mut new = programs.remove(note);
        new.p_type.set(Le, elf::PT_LOAD);
        new.p_flags.set(Le, elf::PF_R | elf::PF_X);
        new.p_offset.set(Le, start);
        new.p_vaddr.set(Le, self.base);
        new.p_paddr.set(Le, self.base);
        new.p_filesz.set(Le, size);
        new.p_memsz.set(Le, size);
        new.p_align.set(Le, PAGE);
        let last = programs.iter().rposition(|p| kind(p) == elf::PT_LOAD);
        programs.insert(last.map_or(0, |i| i + 1), new);
        put(out, self.header.e_phoff.get(Le), bytes_of_slice(&programs))
    }

    /// Section headers at the end of the file: tools know from them what is where.
    fn add_sections(&self, out: &mut Vec<u8>, start: u64, body: u64, tables: &Tables) -> Parsed<()> {
        let mut sections = self.sections.clone();
        let names_at = usize::from(self.header.e_shstrndx.get(Le));
        let Some(of_names) = sections.get(names_at).copied() else {
            return damaged("no names of sections");
        };
        let size = of_names.sh_size.get(Le) as usize;
        let mut names: Vec<u8> = table(self.data, of_names.sh_offset.get(Le), size)?;
        let name = names.len() as u32;
        names.extend_from_slice(SECTION);
        let names_start = align(out, 8);
        out.extend_from_slice(&names);
        sections[names_at].sh_offset.set(Le, names_start);
        sections[names_at].sh_size.set(Le, names.len() as u64);
        let dynamic_names = self.section(elf::SHT_DYNSYM)?.sh_link.get(Le) as usize;
        for (i, s) in sections.iter_mut().enumerate() {
            let end = s.sh_offset.get(Le).saturating_add(s.sh_size.get(Le));
            if i != names_at
                && s.sh_type.get(Le) != elf::SHT_NOBITS
                && end > start.min(self.data.len() as u64)
            {
                // left out: other sections keep their numbers
                s.sh_type.set(Le, elf::SHT_NULL);
                s.sh_size.set(Le, 0);
            }
            let place = match s.sh_type.get(Le) {
                elf::SHT_DYNSYM => tables.symbols,
                elf::SHT_GNU_VERSYM => tables.versions,
                elf::SHT_GNU_HASH => tables.hash,
                elf::SHT_STRTAB if i == dynamic_names => tables.names,
                _ => continue,
            };
            s.sh_addr.set(Le, place.0);
            s.sh_offset.set(Le, place.0 - self.base + start);
            s.sh_size.set(Le, place.1);
        }
        let mut new = *self.section(elf::SHT_PROGBITS)?;
        new.sh_name.set(Le, name);
        new.sh_flags
            .set(Le, u64::from(elf::SHF_ALLOC | elf::SHF_EXECINSTR));
        new.sh_addr.set(Le, self.base);
        new.sh_offset.set(Le, start);
        new.sh_size.set(Le, body);
        new.sh_link.set(Le, 0);
        new.sh_info.set(Le, 0);
        new.sh_addralign.set(Le, 64);
        new.sh_entsize.set(Le, 0);
        sections.push(new);
        let headers = align(out, 8);
        out.extend_from_slice(bytes_of_slice(&sections));
        let mut header = self.header;
        header.e_shoff.set(Le, headers);
        header.e_shnum.set(Le, sections.len() as u16);
        put(out, 0, bytes_of(&header))
    }
}

/// Addresses and sizes of what was appended.
struct Tables {
    symbols: (u64, u64),
    names: (u64, u64),
    versions: (u64, u64),
    hash: (u64, u64),
}

/// Pads to a multiple of `to` and gives the length.
fn align(out: &mut Vec<u8>, to: usize) -> u64 {
    out.resize(out.len().next_multiple_of(to), 0);
    out.len() as u64
}

fn put(out: &mut [u8], at: u64, bytes: &[u8]) -> Parsed<()> {
    let at = at as usize;
    match out.get_mut(at..at + bytes.len()) {
        Some(place) => {
            place.copy_from_slice(bytes);
            Ok(())
        }
        None => damaged("a table is outside the file"),
    }
}

/// A hash table of one bucket, whose filter lets every name through: modules export few symbols. `first` is the
/// number of the first symbol in it.
fn gnu_hash_table(hashes: &[u32], first: u32) -> Vec<u8> {
    let mut words = vec![1, first, 1, 0, u32::MAX, u32::MAX, first];
    let chain = hashes.iter().map(|h| h & !1);
    words.extend(chain);
    if let Some(last) = words.last_mut().filter(|_| !hashes.is_empty()) {
        *last |= 1;
    }
    words.iter().flat_map(|w: &u32| w.to_le_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_ends_with_a_mark() {
        let table = gnu_hash_table(&[7, 12], 3);
        let words: Vec<u32> = table
            .chunks_exact(4)
            .map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]))
            .collect();
        assert_eq!(words, [1, 3, 1, 0, u32::MAX, u32::MAX, 3, 6, 13]);
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(Stub::parse(b"").err(), Some(Error::Stub("no header")));
        let mut nothing = [0_u8; 64];
        assert_eq!(
            Stub::parse(&nothing).err(),
            Some(Error::Stub("no ELF file of 64 bits"))
        );
        nothing[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        assert_eq!(
            Stub::parse(&nothing).err(),
            Some(Error::Stub("a section is missing"))
        );
    }
}
