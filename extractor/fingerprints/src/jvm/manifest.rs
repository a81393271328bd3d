//! The manifest of a jar.

/// The main section of a manifest: what the jar says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest(Vec<(Vec<u8>, Vec<u8>)>);

/// Attributes of a main section that are kept.
const MAX_ATTRIBUTES: usize = 256;

/// The main section of a manifest, which ends at the first empty line. A line that begins with a blank continues the one before.
pub fn parse(bytes: &[u8]) -> Manifest {
    let mut attributes: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for line in lines(bytes) {
        if let (Some(more), Some((_, value))) = (line.strip_prefix(b" "), attributes.last_mut()) {
            value.extend_from_slice(more);
            continue;
        }
        let is_end = line.is_empty() && !attributes.is_empty();
        if is_end || attributes.len() == MAX_ATTRIBUTES {
            break;
        }
        if let Some(colon) = line.iter().position(|byte| *byte == b':') {
            attributes.push((line[..colon].to_vec(), line[colon + 1..].to_vec()));
        }
    }
    Manifest(attributes)
}

/// Lines end in CR LF, LF or CR.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let Some(end) = memchr::memchr2(b'\r', b'\n', bytes) else {
            rest = None;
            return Some(bytes);
        };
        let skip = if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = Some(&bytes[end + skip..]);
        Some(&bytes[..end])
    })
}

impl Manifest {
    /// The value of an attribute without blanks around it; their names are the same in all cases.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let found = self
            .0
            .iter()
            .rfind(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        found
            .map(|(_, value)| value.trim_ascii())
            .filter(|value| !value.is_empty())
    }

    /// Paths of further jars, relative to the jar's folder, in order.
    pub fn class_path(&self) -> impl Iterator<Item = Vec<u8>> {
        let paths = self
            .get("Class-Path")
            .unwrap_or_default()
            .split(u8::is_ascii_whitespace);
        paths.filter_map(path).filter(|path| !path.is_empty())
    }
}

/// The path that a URL of a class path stands for, when it is one of a file.
fn path(url: &[u8]) -> Option<Vec<u8>> {
    let path = match url.strip_prefix(b"file:") {
        Some(rest) => rest.strip_prefix(b"//").unwrap_or(rest),
        None => url,
    };
    if memchr::memmem::find(path, b"://").is_some() {
        return None;
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, more @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        decoded.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &rest[3..] } else { more };
    }
    Some(decoded)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mutation;

    #[test]
    fn attributes_are_read_as_java_reads_them() {
        for (name, bytes, expected) in [
            ("a line", &b"Main-Class: a.B\r\n"[..], Some(&b"a.B"[..])),
            (
                "without a line break at the end",
                b"Manifest-Version: 1.0\nMain-Class: a.B",
                Some(b"a.B"),
            ),
            (
                "continued, the fold within a word",
                b"Main-Class: a.\n B\nX: y\n",
                Some(b"a.B"),
            ),
            (
                "continued, with a colon in the continuation",
                b"Main-Class: a\r\n : b\r\n",
                Some(b"a: b"),
            ),
            ("another case", b"MAIN-CLASS: a.B\n", Some(b"a.B")),
            ("old line breaks", b"X: y\rMain-Class: a.B\r", Some(b"a.B")),
            ("blanks around", b"Main-Class:   a.B  \n", Some(b"a.B")),
            ("of another section", b"X: y\n\nName: z\nMain-Class: a.B\n", None),
            ("empty", b"Main-Class: \n", None),
            ("continued by nothing before it", b" Main-Class: a.B\n", None),
            ("no bytes", b"", None),
        ] {
            assert_eq!(parse(bytes).get("Main-Class"), expected, "{name}");
        }
    }

    #[test]
    fn a_folded_class_path_keeps_its_blanks() {
        let manifest = parse(
            b"Class-Path: lib/a.jar\r\n  lib/b.jar lib/c\r\n .jar file:/opt/d%20e.jar file:///f.jar http://x/y.jar file: ../%zz\r\n",
        );
        let paths: Vec<_> = manifest
            .class_path()
            .map(|path| String::from_utf8_lossy(&path).into_owned())
            .collect();
        assert_eq!(
            paths,
            [
                "lib/a.jar",
                "lib/b.jar",
                "lib/c.jar",
                "/opt/d e.jar",
                "/f.jar",
                "../%zz"
            ]
        );
    }

    #[test]
    fn no_bytes_make_it_panic() {
        mutation::each(
            b"Main-Class: a.\r\n B\nClass-Path: a%20b.jar c\r d\n\nName: x\n",
            |bytes| {
                let manifest = parse(bytes);
                let _ = (manifest.get("Main-Class"), manifest.class_path().count());
            },
        );
    }
}
