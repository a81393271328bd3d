//! The user of a process, from `/proc/<pid>/status`.

/// Supplementary groups beyond this number are left out: fewer groups can only mean less access.
const MAX_GROUPS: usize = 64;

/// Who a process runs as, in the numbers of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Its real user.
    pub uid: u32,
    /// Its real group.
    pub gid: u32,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
}

/// The credentials in the text; none when user or group are missing. The kernel escapes line breaks in the process's
/// name, so no line here is of its making.
pub fn parse(text: &[u8]) -> Option<Credentials> {
    let field = |key: &[u8]| {
        let line = text
            .split(|byte| *byte == b'\n')
            .find_map(|line| line.strip_prefix(key));
        line.and_then(|line| std::str::from_utf8(line).ok())
    };
    let first = |key| field(key)?.split_ascii_whitespace().next()?.parse().ok();
    let groups = field(b"Groups:").unwrap_or_default().split_ascii_whitespace();
    Some(Credentials {
        uid: first(b"Uid:")?,
        gid: first(b"Gid:")?,
        groups: groups.map_while(|group| group.parse().ok()).take(MAX_GROUPS).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_group_and_groups_are_read() {
        let many = (0..200).map(|group| group.to_string()).collect::<Vec<_>>().join(" ");
        for (name, text, expected) in [
            (
                "plain",
                "Name:\tsh\nUid:\t1000\t0\t0\t0\nGid:\t5\t5\t5\t5\nGroups:\t4 27 \n".to_owned(),
                Some((1000, 5, 2)),
            ),
            (
                "no groups",
                "Name:\tsh\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t \n".to_owned(),
                Some((0, 0, 0)),
            ),
            (
                "a name that looks like a field",
                "Name:\tUid:\\n0\nUid:\t7\t7\t7\t7\nGid:\t8\t8\n".to_owned(),
                Some((7, 8, 0)),
            ),
            (
                "many groups",
                format!("Uid:\t1\nGid:\t1\nGroups:\t{many}\n"),
                Some((1, 1, MAX_GROUPS)),
            ),
            ("cut before the group", "Uid:\t1\t1\t1\t1\n".to_owned(), None),
            ("empty", String::new(), None),
        ] {
            let found = parse(text.as_bytes()).map(|found| (found.uid, found.gid, found.groups.len()));
            assert_eq!(found, expected, "{name}");
        }
    }
}
