//! What a value may look like before it is believed. Everything else is dropped.

/// Longest operating system, kind, version, implementer or framework name.
pub const MAX_VALUE_BYTES: usize = 128;
/// Longest evidence or message.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Whether the text can be a namespace; empty means not known.
pub fn is_namespace(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && is_dns_name(text)
}

/// Whether the text can be the name of a pod or container; empty means not known.
pub fn is_object_name(text: &str) -> bool {
    text.len() <= 253 && is_dns_name(text)
}

fn is_dns_name(text: &str) -> bool {
    text.is_empty()
        || text.split('.').all(|label| {
            let bytes = label.as_bytes();
            let is_edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            bytes.first().is_some_and(is_edge)
                && bytes.last().is_some_and(is_edge)
                && bytes.iter().all(|byte| is_edge(byte) || *byte == b'-')
        })
}

/// Whether the text can name a container: an ID, bare or after `<engine>://`.
pub fn is_container_reference(text: &str) -> bool {
    let id = match text.split_once("://") {
        None => text,
        Some((engine, id)) => {
            let is_engine = engine.len() <= 32
                && engine.starts_with(|c: char| c.is_ascii_lowercase())
                && engine
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+.-".contains(&b));
            if !is_engine {
                return false;
            }
            id
        }
    };
    id.len() <= 128
        && id.starts_with(|c: char| c.is_ascii_alphanumeric())
        && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// Whether the text can be a runtime value: one line of the characters that names and versions are made of.
pub fn is_value(text: &str) -> bool {
    text.len() <= MAX_VALUE_BYTES
        && text.trim_ascii() == text
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b" !#&'()+,-./:@_~".contains(&b))
}

/// Whether the text can be shown to a person: one line without control, format or separator characters.
pub fn is_text(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES && !text.chars().any(is_unprintable)
}

fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, rule: fn(&str) -> bool, rows: &[(&str, bool)]) {
        for (text, expected) in rows {
            assert_eq!(rule(text), *expected, "{name} {text:?}");
        }
    }

    #[test]
    fn names_of_objects() {
        check(
            "namespace",
            is_namespace,
            &[
                ("", true),
                ("shop", true),
                ("a-1", true),
                ("a.b", false),
                ("-a", false),
                ("A", false),
                ("a b", false),
            ],
        );
        check(
            "namespace",
            is_namespace,
            &[(&"a".repeat(63), true), (&"a".repeat(64), false)],
        );
        check(
            "pod",
            is_object_name,
            &[
                ("", true),
                ("web-0", true),
                ("a.b", true),
                ("a..b", false),
                ("../x", false),
                ("a\0", false),
            ],
        );
    }

    #[test]
    fn container_references() {
        let id = "0123456789abcdef".repeat(4);
        check(
            "reference",
            is_container_reference,
            &[
                (&id, true),
                (&format!("cri-o://{id}"), true),
                (&format!("containerd://{id}"), true),
                ("", false),
                ("cri-o://", false),
                ("--help", false),
                ("a,b", false),
                ("a\nb", false),
                ("CRI://a", false),
                ("cri-o://../../etc", false),
                (&"a".repeat(129), false),
            ],
        );
    }

    #[test]
    fn values_of_known_runtimes_pass_and_free_text_does_not() {
        check(
            "value",
            is_value,
            &[
                ("", true),
                ("v22.14.0", true),
                ("Python 3.13.2", true),
                ("2.13.8.Final-redhat-00004", true),
                ("Red Hat, Inc.", true),
                ("1.8.0_432-b06", true),
                ("go1.22.6 X:boringcrypto", true),
                ("17.0.13+11~deb12u1", true),
                ("ASP.NET", true),
                ("C#", true),
                (" a", false),
                ("a\tb", false),
                ("a\nb", false),
                ("a\0b", false),
                ("a=b", false),
                ("<b>", false),
                ("caf\u{e9}", false),
                (&"a".repeat(128), true),
                (&"a".repeat(129), false),
            ],
        );
    }

    #[test]
    fn text_for_people_has_no_terminal_tricks() {
        check(
            "text",
            is_text,
            &[
                ("mapped /usr/lib/jvm/libjvm.so", true),
                ("<&>\"caf\u{e9}", true),
                ("\u{1b}[31m", false),
                ("a\u{202e}b", false),
                ("a\u{9b}b", false),
                (&"a".repeat(1024), true),
                (&"a".repeat(1025), false),
            ],
        );
    }
}
