#![no_main]

//! An executed file: its headers, sections, names and build information are read, and its constants searched, in a bounded number of reads.

use fingerprints::program::{self, ReadAt};
use fuzz::{assert_value, bounded};

/// As large as the child's.
const WINDOW_BYTES: usize = 256 * 1024;

struct File<'a> {
    bytes: &'a [u8],
    reads: usize,
}

impl ReadAt for File<'_> {
    fn read_at<'a>(&mut self, offset: u64, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        self.reads += 1;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.bytes.len());
        let length = buffer.len().min(self.bytes.len() - start);
        buffer[..length].copy_from_slice(&self.bytes[start..start + length]);
        Some(&buffer[..length])
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        let mut buffer = vec![0; WINDOW_BYTES];
        let mut file = File { bytes, reads: 0 };
        let size = bytes.len() as u64;
        let Some(facts) = program::read(&mut file, size, &mut buffer) else {
            return;
        };
        assert!(file.reads <= 8, "{} reads", file.reads);
        facts.go.iter().for_each(|version| assert_value(version));
        for name in [".rodata", ".comment", ".go.buildinfo"] {
            assert!(
                facts.section(name).is_none_or(|range| range.start <= range.end),
                "{name}"
            );
        }
        (facts.names("JNI_CreateJavaVM"), facts.needs("libc.so"));
        file.reads = 0;
        let mut find = |window: &[u8]| fingerprints::contains(window, b"never there, or hardly ever").then(String::new);
        program::search(&mut file, size, &facts.constants, &mut buffer, &mut find);
        assert!(file.reads <= 64, "{} reads of constants", file.reads);
    });
});
