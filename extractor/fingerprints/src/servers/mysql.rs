//! MySQL and MariaDB, from their versions and the group of their configuration.

use super::{HOSTS, Signs, by_constants, leading_numbers};
use crate::rule::{Rule, Runtime, Tier};
use crate::value::{self, standing_alone};
use crate::view::View;

/// The rule for MySQL.
pub const MYSQL_RULE: Rule = Rule {
    name: MYSQL,
    tier: Tier::Product,
    of: HOSTS,
    about: "the executed file exports symbols of the server (`mysqld_...`, `...st_mysql...`) or is called `mysqld`, its constants have the group of its configuration (`mysqld-8.0`), and a version that begins so stands alone among them",
    find: |view| server(MYSQL, view).into_iter().collect(),
};

/// The rule for MariaDB.
pub const MARIADB_RULE: Rule = Rule {
    name: MARIADB,
    tier: Tier::Product,
    of: HOSTS,
    about: "as MySQL, with `-MariaDB` in the version (`10.11.19-MariaDB`)",
    find: |view| server(MARIADB, view).into_iter().collect(),
};

const MYSQL: &str = "MySQL";
const MARIADB: &str = "MariaDB";
const SIGNS: Signs = Signs {
    symbols: &["_Z11mysqld_main", "mysql_", "_ZN4Item", "_ZNK4Item"],
    files: &["mysqld", "mariadbd"],
};

fn server(name: &'static str, view: &mut dyn View) -> Option<Runtime> {
    let file = SIGNS.of(view)?;
    let mut seen = Seen::default();
    let text = view.constants(&file, MYSQL, &mut |window| seen.see(window))?;
    let (found, version) = text.split_once(' ')?;
    (found == name).then(|| by_constants(name, version.to_owned(), &file))
}

/// What the constants tell.
#[derive(Default)]
struct Seen {
    group: Option<String>,
    versions: Vec<String>,
}

impl Seen {
    /// Name and version, as soon as the group and a version that belongs to it were seen; MySQL only when all was seen, as
    /// MariaDB has its bare version, too.
    fn see(&mut self, window: &[u8]) -> Option<String> {
        self.group = self.group.take().or_else(|| group(window));
        let left = 64_usize.saturating_sub(self.versions.len());
        self.versions
            .extend(standing_alone(window).take(left).filter_map(value::version));
        let group = self.group.as_ref()?;
        let is_of_group = |version: &&String| {
            version
                .strip_prefix(group.as_str())
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let mut fitting = self.versions.iter().filter(is_of_group);
        let maria = fitting.clone().find_map(|version| version.split_once("-MariaDB"));
        if let Some((version, _)) = maria {
            return Some(format!("{MARIADB} {version}"));
        }
        let version = fitting.next().filter(|_| window.is_empty())?;
        Some(format!("{MYSQL} {version}"))
    }
}

/// Major and minor version, such as `8.0`, in the name of the group that the server reads from its configuration.
fn group(window: &[u8]) -> Option<String> {
    const NEEDLE: &[u8] = b"\0mysqld-";
    memchr::memmem::find_iter(window, NEEDLE).find_map(|start| {
        let (numbers, rest) = leading_numbers(&window[start + NEEDLE.len()..])?;
        (numbers.split('.').count() == 2 && rest.starts_with(b"\0")).then_some(numbers)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::tests::told;

    /// From Debian's mariadb-server-core 10.11.19, and from MySQL 5.5.9.
    const MARIA: &[u8] = b"\x0010.11.19-MariaDB\0\0server\0mysqld-10.11\0mariadb\x005.5.5-\x0010.11.19\0";
    const OLD: &[u8] = b"\0\x005.5.9\0\0mysqld-5.5\x001.2.3\0";

    #[test]
    fn the_version_belongs_to_the_group() {
        let newer = b"\0mysqld-8.0\0\x001.2.13\x008.0.36-28\0";
        let symbols = b"\0_ZN4Item9mark_usedE\0";
        for (name, path, symbols, constants, expected) in [
            (
                "MariaDB",
                "/usr/sbin/mariadbd",
                &b"\0"[..],
                MARIA,
                [None, Some("MariaDB 10.11.19")],
            ),
            (
                "MariaDB by its symbols",
                "/db",
                symbols,
                MARIA,
                [None, Some("MariaDB 10.11.19")],
            ),
            ("MySQL", "/usr/sbin/mysqld", b"\0", OLD, [Some("MySQL 5.5.9"), None]),
            (
                "a build of a vendor",
                "/usr/sbin/mysqld",
                b"\0",
                newer,
                [Some("MySQL 8.0.36-28"), None],
            ),
            (
                "without the group",
                "/usr/sbin/mysqld",
                b"\0",
                b"\x008.0.36\0",
                [None, None],
            ),
            ("another program", "/app", b"\0puts\0", MARIA, [None, None]),
        ] {
            for (rule, expected) in [&MYSQL_RULE, &MARIADB_RULE].into_iter().zip(expected) {
                assert_eq!(told(rule, path, symbols, constants).as_deref(), expected, "{name}");
            }
        }
        crate::mutation::each(MARIA, |bytes| {
            let mut seen = Seen::default();
            let _ = (seen.see(bytes), seen.see(b""));
        });
    }
}
