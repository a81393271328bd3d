//! `/proc/<pid>/stat`.

/// What the table keeps of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// The name it gave itself, at most 15 bytes of anything.
    pub name: Vec<u8>,
    /// Whether it is dead and only not yet waited for.
    pub is_dead: bool,
    /// The process that started it, or that adopted it.
    pub parent: u32,
    /// Clock ticks since boot at its start.
    pub start: u64,
}

/// The facts in the text; none when it is cut or not of this form. The name may hold blanks, brackets and line breaks: it
/// ends at the last closing bracket.
pub fn parse(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    // The start time is field 22, the parent was field 4.
    let start = fields.nth(17)?;
    // The last field of a cut text could be half a number.
    fields.next()?;
    Some(Stat {
        name: text.get(open + 1..close)?.to_vec(),
        is_dead: matches!(state, "Z" | "X" | "x"),
        parent,
        start: start.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "4711 4711 4711 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 8654321 2703360 300 1844";

    #[test]
    fn the_name_ends_at_the_last_bracket() {
        for (name, text, expected) in [
            ("plain", format!("42 (cat) S {REST}"), Some((&b"cat"[..], false, 4711))),
            (
                "brackets and blanks",
                format!("42 (a) R 1 (b)) S {REST}"),
                Some((b"a) R 1 (b)", false, 4711)),
            ),
            (
                "a line break",
                format!("42 (a\n) S {REST}"),
                Some((b"a\n", false, 4711)),
            ),
            ("no name", format!("42 () S {REST}"), Some((b"", false, 4711))),
            ("a zombie", format!("42 (sh) Z {REST}"), Some((b"sh", true, 4711))),
            ("cut", format!("42 (sh) S {}", &REST[..60]), None),
            ("no brackets", format!("42 sh S {REST}"), None),
            ("brackets the wrong way", ")(".to_owned(), None),
            ("empty", String::new(), None),
        ] {
            let stat = parse(text.as_bytes());
            let found = stat
                .as_ref()
                .map(|stat| (stat.name.as_slice(), stat.is_dead, stat.parent));
            assert_eq!(found, expected, "{name}");
            assert!(stat.is_none_or(|stat| stat.start == 8_654_321), "{name}");
        }
    }
}
