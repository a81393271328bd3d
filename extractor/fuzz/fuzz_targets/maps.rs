#![no_main]

//! The lines of `/proc/<pid>/maps`, as they stream by in pieces: the same lines, however they are cut.

use fuzz::bounded;
use node::maps::{self, Lines};

fn lines(bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
    let (mut lines, mut found) = (Lines::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        let keep = |line: &[u8]| {
            if let Some(path) = maps::path(line) {
                found.push(maps::undeleted(path).0.to_vec());
            }
            true
        };
        lines.feed(piece, keep);
    }
    found
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else {
        return;
    };
    bounded(|| {
        let whole = lines(bytes, bytes.len().max(1));
        let cut = lines(bytes, usize::from(*piece) + 1);
        // A line that is too long for the buffer is dropped when it comes in pieces.
        if bytes.len() < 16 * 1024 {
            assert_eq!(whole, cut);
        }
    });
});
