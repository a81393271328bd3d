//! Files of `KEY=value` lines: os-release and the `release` file of a JDK.

/// The value of a key, without its quotes; the last of equal keys counts, as a shell would have it. Comments and lines
/// without `=` are passed over, and what is left after the last line break counts as a line.
pub fn lookup<'a>(bytes: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let pairs = bytes.split(|byte| *byte == b'\n').filter_map(pair);
    pairs
        .filter(|(name, _)| *name == key.as_bytes())
        .map(|(_, value)| value)
        .next_back()
}

fn pair(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii();
    let equals = line.iter().position(|byte| *byte == b'=')?;
    let (name, value) = (line[..equals].trim_ascii(), line[equals + 1..].trim_ascii());
    (!name.starts_with(b"#")).then(|| (name, unquoted(value)))
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner.trim_ascii(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_a_shell_would() {
        for (name, bytes, expected) in [
            ("bare", &b"ID=debian\n"[..], Some(&b"debian"[..])),
            ("double quotes", b"ID=\"rhel\"", Some(b"rhel")),
            ("single quotes", b"ID='alpine'\n", Some(b"alpine")),
            ("quotes that do not match stay", b"ID='alpine\"", Some(b"'alpine\"")),
            ("one quote alone stays", b"ID=\"", Some(b"\"")),
            ("blanks around", b"  ID = debian \r\n", Some(b"debian")),
            ("a comment", b"#ID=debian\n", None),
            ("another key", b"VERSION_ID=1\nIDS=2\n", None),
            ("the last of equal keys", b"ID=a\nID=b\n", Some(b"b")),
            ("an empty value", b"ID=\n", Some(b"")),
            ("a value with =", b"ID=a=b\n", Some(b"a=b")),
            ("no bytes", b"", None),
        ] {
            assert_eq!(lookup(bytes, "ID"), expected, "{name}");
        }
    }
}
