//! Zip files for tests.

/// An entry to be made.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    name: &'a str,
    bytes: &'a [u8],
    is_deflated: bool,
}

impl<'a> Part<'a> {
    /// An entry that is stored as it is.
    pub const fn stored(name: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            name,
            bytes,
            is_deflated: false,
        }
    }

    /// An entry that is packed.
    pub const fn deflated(name: &'a str, bytes: &'a [u8]) -> Self {
        Self {
            name,
            bytes,
            is_deflated: true,
        }
    }
}

/// Entries and the list of them, apart.
fn parts(parts: &[Part]) -> (Vec<u8>, Vec<u8>) {
    let (mut bytes, mut list) = (Vec::new(), Vec::new());
    for part in parts {
        let offset = bytes.len() as u32;
        let (method, content) = match part.is_deflated {
            true => (8_u16, miniz_oxide::deflate::compress_to_vec(part.bytes, 6)),
            false => (0, part.bytes.to_vec()),
        };
        let common = [
            &20_u16.to_le_bytes()[..],
            &0_u16.to_le_bytes(),
            &method.to_le_bytes(),
            &[0; 8],
            &(content.len() as u32).to_le_bytes(),
            &(part.bytes.len() as u32).to_le_bytes(),
            &(part.name.len() as u16).to_le_bytes(),
            &0_u16.to_le_bytes(),
        ]
        .concat();
        bytes.extend([b"PK\x03\x04", common.as_slice(), part.name.as_bytes(), &content].concat());
        let tail = [&[0; 10][..], &offset.to_le_bytes(), part.name.as_bytes()].concat();
        list.extend([b"PK\x01\x02\x14\0", common.as_slice(), &tail].concat());
    }
    (bytes, list)
}

fn end(count: u16, length: u32, offset: u32) -> Vec<u8> {
    let (count, length, offset) = (count.to_le_bytes(), length.to_le_bytes(), offset.to_le_bytes());
    [b"PK\x05\x06\0\0\0\0", &count[..], &count, &length, &offset, b"\0\0"].concat()
}

/// A zip file.
pub fn zip(entries: &[Part]) -> Vec<u8> {
    let (bytes, list) = parts(entries);
    let end = end(entries.len() as u16, list.len() as u32, bytes.len() as u32);
    [bytes, list, end].concat()
}

/// A zip file in the form for large files.
pub fn zip64(entries: &[Part]) -> Vec<u8> {
    let (bytes, list) = parts(entries);
    let count = (entries.len() as u64).to_le_bytes();
    let (length, offset) = ((list.len() as u64).to_le_bytes(), (bytes.len() as u64).to_le_bytes());
    let record = [
        b"PK\x06\x06",
        &44_u64.to_le_bytes()[..],
        &[0; 12],
        &count,
        &count,
        &length,
        &offset,
    ]
    .concat();
    let place = ((bytes.len() + list.len()) as u64).to_le_bytes();
    let locator = [b"PK\x06\x07", &[0; 4][..], &place, &[1, 0, 0, 0]].concat();
    let end = end(u16::MAX, u32::MAX, u32::MAX);
    [bytes, list, record, locator, end].concat()
}

/// The zip file with something before it.
pub fn prefixed(prefix: &[u8], zip: &[u8]) -> Vec<u8> {
    [prefix, zip].concat()
}

/// The zip file with a comment.
pub fn with_comment(zip: &[u8], comment: &[u8]) -> Vec<u8> {
    let without_length = &zip[..zip.len() - 2];
    [without_length, &(comment.len() as u16).to_le_bytes(), comment].concat()
}

/// A jar with this manifest and these empty entries.
pub fn jar(manifest: &str, entries: &[&str]) -> Vec<u8> {
    let mut all = vec![Part::deflated("META-INF/MANIFEST.MF", manifest.as_bytes())];
    all.extend(entries.iter().map(|name| Part::stored(name, b"")));
    zip(&all)
}
