//! The bundle that a single-file application of .NET carries: where its run-time configuration lies.

use std::ops::Range;

/// Stands in the host's initialised data behind the place of the bundle's header.
const MARK: [u8; 32] = [
    0x8b, 0x12, 0x02, 0xb9, 0x6a, 0x61, 0x20, 0x38, 0x72, 0x7b, 0x93, 0x02, 0x14, 0xd7, 0xa0, 0x32, 0x13, 0xf5, 0xb9,
    0xe6, 0xef, 0xae, 0x33, 0x18, 0xee, 0x3b, 0x2d, 0xce, 0x24, 0xb3, 0x6a, 0xae,
];
/// How much of the header is wanted.
pub const HEADER_BYTES: usize = 512;
/// No configuration is longer.
const MAX_CONFIG_BYTES: u64 = 256 * 1024;
/// Versions 2 (.NET 5) and later say where the configuration lies.
const FIRST_WITH_PLACES: u32 = 2;

/// Where in the file the header of the bundle lies, by the host's initialised data; none when nothing is bundled.
pub fn header(data: &[u8]) -> Option<u64> {
    let mark = memchr::memmem::find(data, &MARK)?;
    let place = u64::from_le_bytes(*data.get(mark.checked_sub(8)?..)?.first_chunk()?);
    (place > 0).then_some(place)
}

/// Where in the file the run-time configuration lies, by the bytes of the header.
pub fn config(header: &[u8]) -> Option<Range<u64>> {
    let version = u32::from_le_bytes(*header.first_chunk()?);
    // After version, minor version and count of files: a name with its length before it.
    let name_bytes = *header.get(12)?;
    if version < FIRST_WITH_PLACES || name_bytes >= 0x80 {
        return None;
    }
    let places = header.get(13 + usize::from(name_bytes)..)?;
    let number = |index: usize| Some(u64::from_le_bytes(*places.get(8 * index..)?.first_chunk()?));
    let (start, length) = (number(2)?, number(3)?);
    let end = start.checked_add(length)?;
    (start > 0 && (1..=MAX_CONFIG_BYTES).contains(&length)).then_some(start..end)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The initialised data of a host whose bundle's header lies there.
    pub fn data(place: u64) -> Vec<u8> {
        [&[7; 24][..], &place.to_le_bytes(), &MARK, &[9; 8]].concat()
    }

    /// The header of a bundle of this version whose configuration lies there. But for the numbers it is that of `azmcp` 2.0.5, a
    /// single-file application of .NET 10.
    pub fn header_of(version: u32, config: Range<u64>) -> Vec<u8> {
        let numbers = [0x871_ce80, 0x22711, config.start, config.end - config.start, 0];
        let mut bytes = [version.to_le_bytes(), 0_u32.to_le_bytes(), 336_u32.to_le_bytes()].concat();
        bytes.extend(b"\x0ctwaygRJW-OZt");
        bytes.extend(numbers.iter().flat_map(|number: &u64| number.to_le_bytes()));
        bytes
    }

    #[test]
    fn the_configuration_is_found_by_mark_and_header() {
        assert_eq!(header(&data(0x873_f591)), Some(0x873_f591));
        assert_eq!(header(&data(0)), None, "a host that bundles nothing");
        assert_eq!(header(b"no mark"), None);
        assert_eq!(header(&MARK), None, "no place before the mark");
        let mut beyond = header_of(6, 100..200);
        beyond[41..49].fill(0xff);
        for (name, bytes, expected) in [
            ("version 6", header_of(6, 100..200), Some(100..200)),
            ("version 2", header_of(2, 100..200), Some(100..200)),
            ("version 1 does not say", header_of(1, 100..200), None),
            ("no configuration", header_of(6, 0..0), None),
            ("absurdly long", header_of(6, 1..1 << 40), None),
            ("behind the end of all files", beyond, None),
            ("cut", header_of(6, 100..200)[..40].to_vec(), None),
            ("no bytes", Vec::new(), None),
        ] {
            assert_eq!(config(&bytes), expected, "{name}");
        }
    }

    #[test]
    fn no_change_of_bytes_makes_it_panic() {
        crate::mutation::each(&data(0x873_f591), |bytes| {
            let _ = header(bytes);
        });
        crate::mutation::each(&header_of(6, 100..200), |bytes| {
            let _ = config(bytes);
        });
    }
}
