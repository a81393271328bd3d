//! What a value must look like before it leaves a container. Everything else is dropped.

/// Longest name or version.
pub const MAX_VALUE_BYTES: usize = 128;
/// Longest evidence or message.
pub const MAX_TEXT_BYTES: usize = 400;

/// The bytes as a name or version: one line, short, made of the characters that names and versions have.
pub fn value(bytes: &[u8]) -> Option<String> {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b" !#&'()+,-./:@_~".contains(byte);
    let is_value = !bytes.is_empty()
        && bytes.len() <= MAX_VALUE_BYTES
        && bytes.trim_ascii() == bytes
        && bytes.iter().all(is_allowed);
    is_value.then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// The bytes as a version: a value without blanks that has a digit in it.
pub fn version(bytes: &[u8]) -> Option<String> {
    let is_allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._~".contains(byte);
    let is_version = bytes.len() <= 64 && bytes.iter().all(is_allowed) && bytes.iter().any(u8::is_ascii_digit);
    is_version.then(|| String::from_utf8_lossy(bytes).into_owned())
}

/// The bytes as evidence for a person: printable ASCII on one line, cut at a fixed length; everything else becomes `?`.
pub fn text(bytes: &[u8]) -> String {
    let printable = |byte: &u8| match byte {
        b' '..=b'~' => char::from(*byte),
        _ => '?',
    };
    bytes.iter().take(MAX_TEXT_BYTES).map(printable).collect()
}

/// The length of the `digits.digits.digits` at the start of the bytes, none when there is something else.
pub(crate) fn three_numbers(bytes: &[u8]) -> Option<usize> {
    let mut end = 0;
    for part in 0..3 {
        if part > 0 {
            if bytes.get(end) != Some(&b'.') {
                return None;
            }
            end += 1;
        }
        let digits = bytes[end..]
            .iter()
            .take(4)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        if digits == 0 || digits == 4 {
            return None;
        }
        end += digits;
    }
    Some(end)
}

/// What stands alone between two NULs and begins with `digits.digits.digits`: versions, with whatever follows in them.
pub(crate) fn standing_alone(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(0, bytes).filter_map(|start| {
        let rest = &bytes[start + 1..];
        let numbers = three_numbers(rest)?;
        let is_suffix = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-._~".contains(byte);
        let suffix = rest[numbers..].iter().take(40).take_while(is_suffix).count();
        let end = numbers + suffix;
        (rest.get(end) == Some(&0)).then(|| &rest[..end])
    })
}

/// The three numbers at the start of a version.
pub(crate) fn numbers(version: &[u8]) -> Option<[u32; 3]> {
    let text = std::str::from_utf8(&version[..three_numbers(version)?]).ok()?;
    let mut parts = text.split('.').map_while(|part| part.parse().ok());
    Some([parts.next()?, parts.next()?, parts.next()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_deviate_are_dropped() {
        let long = "a".repeat(MAX_VALUE_BYTES + 1);
        for (name, bytes, expected) in [
            ("a name with blanks and commas", &b"Red Hat, Inc."[..], true),
            (
                "a Go version with its patch set",
                b"go1.21.11 (Red Hat 1.21.11-1.el9_4) X:strictfipsruntime",
                true,
            ),
            ("empty", b"", false),
            ("a second line", b"a\nb=c", false),
            ("a tab", b"a\tb", false),
            ("NUL", b"a\0", false),
            ("markup", b"<b>", false),
            ("a key of its own", b"a=b", false),
            ("not ASCII", "é".as_bytes(), false),
            ("blanks around", b" a", false),
            ("too long", long.as_bytes(), false),
        ] {
            assert_eq!(value(bytes).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn versions_have_a_digit_and_no_blank() {
        for (bytes, expected) in [
            ("17.0.13", true),
            ("1.8.0_432", true),
            ("1 2", false),
            ("latest", false),
            ("", false),
        ] {
            assert_eq!(version(bytes.as_bytes()).is_some(), expected, "{bytes}");
        }
    }

    #[test]
    fn evidence_is_printable_and_short() {
        assert_eq!(text(b"/a\tb\n\x1b[2J\xff"), "/a?b??[2J?");
        assert_eq!(text(&[b'x'; 9999]).len(), MAX_TEXT_BYTES);
    }
}
