//! `/proc/<pid>/maps`, as it streams by.

/// What the kernel calls the mapped state of a virtual machine's processor, followed by its number.
pub const VIRTUAL_PROCESSOR: &[u8] = b"anon_inode:kvm-vcpu";

/// The path of the file that a line says is mapped, or the name of a virtual machine's processor; none for memory without a
/// file and for the kernel's other names.
pub fn path(line: &[u8]) -> Option<&[u8]> {
    let mut rest = line;
    for _ in 0..5 {
        let blank = rest.iter().position(|byte| *byte == b' ')?;
        rest = rest[blank..].trim_ascii_start();
    }
    (rest.starts_with(b"/") || rest.starts_with(VIRTUAL_PROCESSOR)).then_some(rest)
}

/// The path without the mark that the kernel puts behind the name of a file that was deleted, and whether it was there.
pub fn undeleted(path: &[u8]) -> (&[u8], bool) {
    match path.strip_suffix(b" (deleted)") {
        Some(path) => (path, true),
        None => (path, false),
    }
}

/// Splits a stream of bytes into lines; a line longer than the buffer is dropped whole.
pub struct Lines {
    partial: Vec<u8>,
    is_skipping: bool,
}

/// The longest path that the kernel writes, escaped, with the numbers before it.
const MAX_LINE_BYTES: usize = 4 * 4096 + 128;

impl Lines {
    /// At the start of the stream.
    #[expect(clippy::new_without_default, reason = "one way to begin is enough")]
    pub fn new() -> Self {
        Self {
            partial: Vec::new(),
            is_skipping: false,
        }
    }

    /// Calls with each line that these bytes complete, until it answers false; then answers false, too.
    pub fn feed(&mut self, mut bytes: &[u8], mut call: impl FnMut(&[u8]) -> bool) -> bool {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            let goes_on = if std::mem::take(&mut self.is_skipping) {
                true
            } else if self.partial.is_empty() {
                call(line)
            } else {
                self.partial.extend_from_slice(line);
                let whole = std::mem::take(&mut self.partial);
                call(&whole)
            };
            self.partial.clear();
            if !goes_on {
                return false;
            }
            bytes = rest;
        }
        if self.is_skipping || self.partial.len() + bytes.len() > MAX_LINE_BYTES {
            self.is_skipping = true;
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(bytes);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_what_follows_five_fields() {
        for (name, line, expected) in [
            (
                "a library",
                "7f1c-7f2d r-xp 00001000 fe:01 1234                       /usr/lib/libjvm.so",
                Some("/usr/lib/libjvm.so"),
            ),
            (
                "blanks in the path",
                "7f1c-7f2d r--p 0 0:3f 9 /opt/my app/lib.so",
                Some("/opt/my app/lib.so"),
            ),
            ("deleted", "7f1c-7f2d r--p 0 0:3f 9 /a (deleted)", Some("/a (deleted)")),
            (
                "a virtual machine's processor",
                "7f1c-7f2d rw-s 00000000 00:0e 2061 anon_inode:kvm-vcpu:0",
                Some("anon_inode:kvm-vcpu:0"),
            ),
            (
                "another of the kernel's inodes",
                "7f1c-7f2d rw-s 00000000 00:0e 2061 anon_inode:[perf_event]",
                None,
            ),
            ("no file", "7f1c-7f2d rw-p 00000000 00:00 0 ", None),
            ("no file, cut", "7f1c-7f2d rw-p 00000000 00:00 0", None),
            (
                "the kernel's own",
                "7ffd-7ffe rw-p 00000000 00:00 0          [stack]",
                None,
            ),
            ("shared memory", "7f1c-7f2d rw-s 0 0:1 9 anon_inode:[perf_event]", None),
            ("empty", "", None),
        ] {
            assert_eq!(path(line.as_bytes()), expected.map(str::as_bytes), "{name}");
        }
        assert_eq!(undeleted(b"/a (deleted)"), (&b"/a"[..], true));
        assert_eq!(undeleted(b"/a"), (&b"/a"[..], false));
    }

    #[test]
    fn lines_come_whole_however_the_stream_is_cut() {
        let text = b"first\n\nsecond\nthird\n";
        for size in 1..=text.len() {
            let (mut lines, mut seen) = (Lines::new(), Vec::new());
            for piece in text.chunks(size) {
                assert!(lines.feed(piece, |line| {
                    seen.push(String::from_utf8_lossy(line).into_owned());
                    true
                }));
            }
            assert_eq!(seen, ["first", "", "second", "third"], "pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_costs_no_memory_and_is_dropped() {
        let (mut lines, mut seen) = (Lines::new(), Vec::new());
        for _ in 0..100 {
            lines.feed(&[b'x'; 4096], |_| panic!("no line yet"));
            assert!(lines.partial.len() <= MAX_LINE_BYTES);
        }
        lines.feed(b"end\nnext\n", |line| {
            seen.push(line.to_vec());
            true
        });
        assert_eq!(seen, [b"next"]);
    }

    #[test]
    fn the_caller_can_stop() {
        let mut count = 0;
        assert!(!Lines::new().feed(b"a\nb\nc\n", |line| {
            count += 1;
            line != b"b"
        }));
        assert_eq!(count, 2);
    }
}
