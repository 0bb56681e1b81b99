//! Memory as a set of allocations: an access outside of them, or of bytes never written, is an error.

use std::collections::BTreeMap;

use super::Trap;

/// Distance between allocations, so that an overrun does not hit the next one.
const GAP: u64 = 1 << 12;
/// The first address: small numbers are no addresses.
const START: u64 = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Allocation {
    bytes: Vec<u8>,
    /// Which bytes have been written.
    written: Vec<bool>,
}

/// Allocations by their addresses, which depend on nothing but the order of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    allocations: BTreeMap<u64, Allocation>,
    next: u64,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            allocations: BTreeMap::new(),
            next: START,
        }
    }
}

impl Memory {
    fn insert(&mut self, bytes: Vec<u8>, written: bool) -> u64 {
        let address = self.next;
        self.next += (bytes.len() as u64).next_multiple_of(64) + GAP;
        let written = vec![written; bytes.len()];
        self.allocations.insert(address, Allocation { bytes, written });
        address
    }

    /// Takes a block over; gives its address, a multiple of 64.
    pub fn add(&mut self, bytes: Vec<u8>) -> u64 {
        self.insert(bytes, true)
    }

    /// A block that holds nothing yet.
    pub fn reserve(&mut self, bytes: u32) -> u64 {
        self.insert(vec![0; bytes as usize], false)
    }

    pub fn remove(&mut self, address: u64) {
        self.allocations.remove(&address);
    }

    /// What the block at this address holds; bytes never written are 0.
    pub fn block(&self, address: u64) -> Option<&[u8]> {
        self.allocations.get(&address).map(|a| &a.bytes[..])
    }

    /// Where `count` bytes at `address` are: the block and the place in it.
    fn place(&mut self, address: u64, count: usize) -> Result<(&mut Allocation, usize), Trap> {
        let outside = Trap::Memory {
            address,
            bytes: count as u32,
        };
        let (base, block) = self
            .allocations
            .range_mut(..=address)
            .next_back()
            .ok_or(outside.clone())?;
        let at = (address - base) as usize;
        match at.checked_add(count).is_some_and(|end| end <= block.bytes.len()) {
            true => Ok((block, at)),
            false => Err(outside),
        }
    }

    /// # Errors
    /// If a byte is outside of every block or was never written.
    pub fn read(&mut self, address: u64, count: usize) -> Result<&[u8], Trap> {
        let (block, at) = self.place(address, count)?;
        match block.written[at..at + count].iter().all(|w| *w) {
            true => Ok(&block.bytes[at..at + count]),
            false => Err(Trap::Unwritten { address }),
        }
    }

    /// 8 bytes, 0 where they were never written.
    ///
    /// # Errors
    /// If a byte is outside of every block.
    pub fn peek(&mut self, address: u64) -> Result<u64, Trap> {
        let (block, at) = self.place(address, 8)?;
        let held = block.bytes[at..at + 8].try_into();
        Ok(held.map_or(0, u64::from_le_bytes))
    }

    /// # Errors
    /// If a byte is outside of every block.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Trap> {
        let (block, at) = self.place(address, bytes.len())?;
        block.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        block.written[at..at + bytes.len()].fill(true);
        Ok(())
    }
}
