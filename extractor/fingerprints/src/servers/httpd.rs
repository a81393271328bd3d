//! Apache's HTTP server, from the name that it answers with.

use super::{Signs, WEB_HOSTS, leading_numbers};
use crate::rule::{Rule, Tier};

/// The rule.
pub const RULE: Rule = Rule {
    name: NAME,
    tier: Tier::Product,
    of: WEB_HOSTS,
    about: "the executed file exports symbols of the server (`ap_server_...`) or is called `httpd` or `apache2`, and its constants have the name that it answers with (`Apache/2.4.62 (Unix)`)",
    find: |view| SIGNS.find(view, NAME, &mut version).into_iter().collect(),
};

const NAME: &str = "Apache HTTP Server";
const SIGNS: Signs = Signs {
    symbols: &["ap_server_"],
    files: &["apache2", "httpd"],
};

/// The version, when this part of the constants has the name. Shorter forms of it (`Apache/2.4`) stand there as well.
fn version(window: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"\0Apache/";
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let (numbers, rest) = leading_numbers(&window[start + NEEDLE.len()..])?;
        let is_whole = numbers.split('.').count() == 3 && (rest.starts_with(b"\0") || rest.starts_with(b" ("));
        is_whole.then_some(numbers)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::tests::told;

    #[test]
    fn httpd_is_known_by_the_name_that_it_answers_with() {
        // From Debian's apache2 2.4.71.
        let names = b"\0Apache/2\0Apache/2.4\0Apache/2.4.71\0\0Apache/2.4.71 (Debian)\0";
        for (name, path, symbols, constants, expected) in [
            (
                "by its symbols",
                "/opt/web",
                &b"\0ap_server_conf\0"[..],
                &names[..],
                Some("Apache HTTP Server 2.4.71"),
            ),
            (
                "by its name",
                "/usr/sbin/apache2",
                b"\0",
                names,
                Some("Apache HTTP Server 2.4.71"),
            ),
            ("another httpd", "/usr/sbin/httpd", b"\0puts\0", b"\0httpd/1.0\0", None),
            ("a client", "/usr/bin/ab", b"\0apr_initialize\0", names, None),
        ] {
            assert_eq!(told(&RULE, path, symbols, constants).as_deref(), expected, "{name}");
        }
        crate::mutation::each(names, |bytes| drop(version(bytes)));
    }
}
