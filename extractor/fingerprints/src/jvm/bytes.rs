//! Bytes somewhere in a file, and the numbers in them.

/// Something of which parts can be read.
pub trait Source {
    /// Its length in bytes.
    fn size(&mut self) -> u64;
    /// At most that many bytes from an offset on, fewer at its end.
    fn read_at(&mut self, offset: u64, max_bytes: usize) -> Option<Vec<u8>>;
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..offset.checked_add(N)?)?.try_into().ok()
}

/// A little-endian number of two bytes.
pub fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_le_bytes)
}

/// A little-endian number of four bytes.
pub fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_le_bytes)
}

/// A little-endian number of eight bytes.
pub fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    array_at(bytes, offset).map(u64::from_le_bytes)
}
