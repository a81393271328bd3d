//! PostgreSQL, from the line that `postgres --version` prints.

use super::{HOSTS, Signs, leading_numbers};
use crate::rule::{Rule, Tier};
use crate::value;

/// The rule.
pub const RULE: Rule = Rule {
    name: NAME,
    tier: Tier::Product,
    of: HOSTS,
    about: "the executed file exports symbols of the server (`heap_...`) or is called `postgres`, and its constants have the line that tells its version (`postgres (PostgreSQL) 15.20`)",
    find: |view| SIGNS.find(view, NAME, &mut version).into_iter().collect(),
};

const NAME: &str = "PostgreSQL";
const SIGNS: Signs = Signs {
    symbols: &["heap_", "Postmaster"],
    files: &["postgres", "postmaster", "edb-postgres"],
};

/// The version, when this part of the constants has the line; before the first release it ends in `beta1` and the like.
fn version(window: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"\0postgres (PostgreSQL) ";
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let text = &window[start + NEEDLE.len()..];
        let (_, rest) = leading_numbers(text)?;
        let numbers = text.len() - rest.len();
        let name = rest
            .iter()
            .take(12)
            .take_while(|byte| byte.is_ascii_alphanumeric())
            .count();
        matches!(rest.get(name), Some(b'\n' | b'\0' | b' ')).then(|| value::version(&text[..numbers + name]))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::tests::told;

    #[test]
    fn postgresql_is_known_by_its_version_line() {
        // From Debian's postgresql-15.
        let line = b"\0postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n\0";
        for (name, path, symbols, constants, expected) in [
            (
                "by its symbols",
                "/db",
                &b"\0heap_freeze\0"[..],
                &line[..],
                Some("PostgreSQL 15.20"),
            ),
            (
                "by its name",
                "/usr/lib/postgresql/15/bin/postgres",
                b"\0",
                line,
                Some("PostgreSQL 15.20"),
            ),
            (
                "as it is built",
                "/postgres",
                b"\0",
                b"\0postgres (PostgreSQL) 16.4\n\0",
                Some("PostgreSQL 16.4"),
            ),
            (
                "a beta",
                "/postgres",
                b"\0",
                b"\0postgres (PostgreSQL) 19beta2\n\0",
                Some("PostgreSQL 19beta2"),
            ),
            (
                "what makes its folders",
                "/usr/lib/postgresql/15/bin/initdb",
                b"\0pg_encoding_to_char\0",
                line,
                None,
            ),
            (
                "a client",
                "/usr/bin/psql",
                b"\0pg_encoding_to_char\0",
                b"\0psql (PostgreSQL) 15.20\n\0",
                None,
            ),
        ] {
            assert_eq!(told(&RULE, path, symbols, constants).as_deref(), expected, "{name}");
        }
        crate::mutation::each(line, |bytes| drop(version(bytes)));
    }
}
