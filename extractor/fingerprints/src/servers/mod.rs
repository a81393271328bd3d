//! Servers, from what their own executed file exports and says. What it exports, or what it is called, chooses whether its
//! constants are searched; they decide.

pub mod envoy;
pub mod haproxy;
pub mod httpd;
pub mod mysql;
pub mod nginx;
pub mod postgresql;
pub mod redis;

use crate::rule::Runtime;
use crate::view::View;
use crate::{compiled, path, perl, php, python, ruby, value};

/// The kinds that a server may have: it is compiled.
pub const HOSTS: &[&str] = &[compiled::C, compiled::RUST];
/// The same for a web server, which may have loaded an interpreter that then tells the kind.
pub const WEB_HOSTS: &[&str] = &[
    compiled::C,
    compiled::RUST,
    perl::KIND,
    php::KIND,
    python::KIND,
    ruby::KIND,
];

/// By what a server may be known, without being proved.
struct Signs {
    /// How names of its dynamic symbols begin.
    symbols: &'static [&'static str],
    /// How the names begin that its file usually has.
    files: &'static [&'static str],
}

impl Signs {
    /// The path of the executed file when that is worth a search.
    fn of(&self, view: &mut dyn View) -> Option<Vec<u8>> {
        let path = view.executable();
        let program = view.program();
        let is_called = self
            .files
            .iter()
            .any(|name| path::name(&path).starts_with(name.as_bytes()));
        let is_likely = is_called || self.symbols.iter().any(|symbol| program.needs(symbol));
        (program.is_elf && is_likely).then(|| path.to_vec())
    }

    /// The server, when the function finds its version among the constants.
    fn find(
        &self,
        view: &mut dyn View,
        name: &'static str,
        find: &mut dyn FnMut(&[u8]) -> Option<String>,
    ) -> Option<Runtime> {
        let file = self.of(view)?;
        let version = view.constants(&file, name, find)?;
        Some(by_constants(name, version, &file))
    }
}

fn by_constants(name: &str, version: String, file: &[u8]) -> Runtime {
    Runtime {
        name: name.to_owned(),
        version,
        evidence: format!("constants of {}", value::text(file)),
    }
}

/// Numbers of a version at the start of the bytes, `1.22.1` of `1.22.1 (Debian)`, and what follows them.
fn leading_numbers(bytes: &[u8]) -> Option<(String, &[u8])> {
    let is_number = |byte: &&u8| byte.is_ascii_digit() || **byte == b'.';
    let length = bytes.iter().take(24).take_while(is_number).count();
    let (numbers, rest) = bytes.split_at(length);
    let is_version = numbers.first()?.is_ascii_digit() && numbers.last()?.is_ascii_digit();
    is_version.then(|| Some((value::version(numbers)?, rest)))?
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use crate::fixture_elf::{elf, with_sections};
    use crate::rule::Rule;

    /// What the rule says about a file of that name with these symbols and constants: `name version`.
    pub fn told(rule: &Rule, path: &str, symbols: &[u8], constants: &[u8]) -> Option<String> {
        let mut fixture = Fixture::new(path).file(path, elf(symbols, constants));
        first(rule, &mut fixture)
    }

    /// The same for a file that exports nothing and has this initialised data.
    pub fn told_by_data(rule: &Rule, path: &str, data: &[u8]) -> Option<String> {
        let bytes = with_sections(&[(".rodata", b"\0"), (".data", data)], None);
        first(rule, &mut Fixture::new(path).file(path, bytes))
    }

    fn first(rule: &Rule, fixture: &mut Fixture) -> Option<String> {
        let found = (rule.find)(&mut fixture.view());
        found.first().map(|one| format!("{} {}", one.name, one.version))
    }

    #[test]
    fn numbers_lead_a_version() {
        for (text, expected) in [
            ("1.22.1", Some(("1.22.1", ""))),
            ("15.20 (Debian", Some(("15.20", " (Debian"))),
            ("17beta1\0", Some(("17", "beta1\0"))),
            ("x", None),
            ("1.", None),
            ("", None),
        ] {
            let found = leading_numbers(text.as_bytes());
            let expected = expected.map(|(numbers, rest)| (numbers.to_owned(), rest.as_bytes()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
