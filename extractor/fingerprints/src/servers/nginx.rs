//! nginx, from the line that `nginx -v` prints.

use super::{Signs, WEB_HOSTS, leading_numbers};
use crate::rule::{Rule, Tier};

/// The rule.
pub const RULE: Rule = Rule {
    name: NAME,
    tier: Tier::Product,
    of: WEB_HOSTS,
    about: "the executed file exports symbols of nginx (`ngx_...`) or is called `nginx`, and its constants have the line that tells its version (`nginx version: nginx/1.22.1`)",
    find: |view| SIGNS.find(view, NAME, &mut version).into_iter().collect(),
};

const NAME: &str = "nginx";
const SIGNS: Signs = Signs {
    symbols: &["ngx_"],
    files: &["nginx", "openresty"],
};

/// The version, when this part of the constants has the line. OpenResty has nginx's numbers and one of its own behind them.
fn version(window: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"nginx version: ";
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let rest = &window[start + NEEDLE.len()..];
        let slash = memchr::memchr(b'/', &rest[..rest.len().min(32)])?;
        let (numbers, after) = leading_numbers(&rest[slash + 1..])?;
        let numbers = match &rest[..slash] {
            b"openresty" => numbers.splitn(4, '.').take(3).collect::<Vec<_>>().join("."),
            _ => numbers,
        };
        // A window that ends here may cut the number.
        (!after.is_empty()).then_some(numbers)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::tests::told;

    #[test]
    fn nginx_is_known_by_its_version_line() {
        // From Debian's nginx 1.22.1.
        let line = b"\0nginx version: nginx/1.22.1\0\n\0";
        for (name, path, symbols, constants, expected) in [
            (
                "by its symbols",
                "/app/proxy",
                &b"\0ngx_cycle\0"[..],
                &line[..],
                Some("nginx 1.22.1"),
            ),
            (
                "static, by its name",
                "/usr/sbin/nginx",
                b"\0",
                line,
                Some("nginx 1.22.1"),
            ),
            (
                "OpenResty",
                "/usr/local/openresty/nginx/sbin/nginx",
                b"\0",
                b"\0nginx version: openresty/1.25.3.1\0",
                Some("nginx 1.25.3"),
            ),
            ("a name alone", "/usr/sbin/nginx", b"\0puts\0", b"\0nginx.conf\0", None),
            (
                "another program that has the line",
                "/app/audit",
                b"\0puts\0",
                line,
                None,
            ),
        ] {
            assert_eq!(told(&RULE, path, symbols, constants).as_deref(), expected, "{name}");
        }
        crate::mutation::each(line, |bytes| drop(version(bytes)));
    }
}
