#![no_main]

//! A jar, war or other zip file: its list of entries, and the content of each up to a limit, whatever it says about itself.

use std::ops::ControlFlow;

use fingerprints::jvm::bytes::Source;
use fingerprints::jvm::zip::{content, directory, each_entry, find, stored};
use fuzz::bounded;

/// More than this is not unpacked of one entry.
const MAX_BYTES: usize = 64 * 1024;
const MAX_ENTRIES: usize = 16;

struct File<'a> {
    bytes: &'a [u8],
    reads: usize,
}

impl Source for File<'_> {
    fn size(&mut self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&mut self, offset: u64, max_bytes: usize) -> Option<Vec<u8>> {
        self.reads += 1;
        let start = usize::try_from(offset).ok()?.min(self.bytes.len());
        let end = start.saturating_add(max_bytes).min(self.bytes.len());
        Some(self.bytes[start..end].to_vec())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        let mut file = File { bytes, reads: 0 };
        let Some(directory) = directory(&mut file) else {
            return;
        };
        let mut entries = Vec::new();
        each_entry(&mut file, &directory, &mut |entry| {
            assert!(entry.name.len() <= bytes.len());
            entries.push(entry.owned());
            if entries.len() < MAX_ENTRIES {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        for entry in &entries {
            assert!(find(&mut file, &directory, &entry.name).is_some(), "{entry:?}");
            if let Some(content) = content(&mut file, entry, MAX_BYTES) {
                assert!(content.len() <= MAX_BYTES, "{} bytes of {entry:?}", content.len());
            }
            if let Some((start, length)) = stored(&mut file, entry) {
                let end = start.checked_add(length);
                assert!(end.is_some_and(|end| end <= bytes.len() as u64), "{entry:?}");
            }
        }
        // A bomb costs no more reads than a jar of that size may.
        assert!(file.reads <= 64 + MAX_ENTRIES * 64, "{} reads", file.reads);
    });
});
