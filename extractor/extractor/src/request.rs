//! The text of a request.

use node::cgroup::{ContainerId, ID_DIGITS};

/// A request that is longer is refused.
pub const MAX_BYTES: usize = 1024 * 1024;
const MAX_SCHEME_BYTES: usize = 32;

/// Which containers are wanted.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// All of them.
    Everything,
    /// These, sorted by ID, each with the prefix it was asked by: empty or such as `containerd://`.
    These(Vec<(ContainerId, &'a str)>),
}

/// What the text asks for: container IDs separated by commas, everything when it is blank. An item that is not an ID names
/// no container. None when the text is not UTF-8.
pub fn parse(text: &[u8]) -> Option<Wanted<'_>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if text.is_empty() {
        return Some(Wanted::Everything);
    }
    let mut references: Vec<_> = text.split(',').filter_map(|item| reference(item.trim())).collect();
    references.sort_by_key(|(id, _)| *id);
    references.dedup_by_key(|(id, _)| *id);
    Some(Wanted::These(references))
}

fn reference(item: &str) -> Option<(ContainerId, &str)> {
    let (scheme, id) = item.split_at_checked(item.len().checked_sub(ID_DIGITS)?)?;
    let is_scheme = |name: &str| {
        name.len() <= MAX_SCHEME_BYTES
            && name.starts_with(|first: char| first.is_ascii_lowercase())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+.-".contains(&byte))
    };
    let is_prefix = scheme.is_empty() || scheme.strip_suffix("://").is_some_and(is_scheme);
    is_prefix.then_some((ContainerId::parse(id.as_bytes())?, scheme))
}

impl Wanted<'_> {
    /// Whether the container is wanted.
    pub fn includes(&self, id: &ContainerId) -> bool {
        match self {
            Self::Everything => true,
            Self::These(_) => self.prefix(id).is_some(),
        }
    }

    /// The prefix by which the container was asked for; none when it was not asked for by its ID.
    pub fn prefix(&self, id: &ContainerId) -> Option<&str> {
        match self {
            Self::Everything => None,
            Self::These(these) => {
                let index = these.binary_search_by_key(id, |(id, _)| *id).ok()?;
                Some(these[index].1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_text_names_containers() {
        let id = |text: &str| ContainerId::parse(text.as_bytes()).expect("an ID");
        let these = |these: &[(&str, &'static str)]| {
            Some(Wanted::These(
                these.iter().map(|(text, prefix)| (id(text), *prefix)).collect(),
            ))
        };
        for (name, text, expected) in [
            ("empty: everything", String::new(), Some(Wanted::Everything)),
            ("blank: everything", " \n\t".to_owned(), Some(Wanted::Everything)),
            ("bare", A.to_owned(), these(&[(A, "")])),
            ("with a prefix", format!("cri-o://{A}"), these(&[(A, "cri-o://")])),
            (
                "several, sorted",
                format!("containerd://{B}, {A} ,\n"),
                these(&[(A, ""), (B, "containerd://")]),
            ),
            (
                "twice: the first counts",
                format!("cri-o://{A},{A}"),
                these(&[(A, "cri-o://")]),
            ),
            ("only commas: nothing", ",,".to_owned(), these(&[])),
            ("an option", "--help".to_owned(), these(&[])),
            ("too short", A[1..].to_owned(), these(&[])),
            ("too long", format!("{A}0"), these(&[])),
            ("capital letters", A.to_uppercase(), these(&[])),
            ("odd among good", format!("../../etc,{A},x y"), these(&[(A, "")])),
            ("a prefix with a line break", format!("a\nb://{A}"), these(&[])),
            (
                "a prefix that is too long",
                format!("{}://{A}", "a".repeat(33)),
                these(&[]),
            ),
            ("a prefix without its end", format!("docker{A}"), these(&[])),
            ("two-byte characters", format!("é{A}"), these(&[])),
        ] {
            assert_eq!(parse(text.as_bytes()), expected, "{name}");
        }
        assert_eq!(parse(b"\xff"), None);
    }

    #[test]
    fn the_prefix_is_remembered() {
        let text = format!("containerd://{A}");
        let wanted = parse(text.as_bytes()).expect("UTF-8");
        let [a, b] = [A, B].map(|text| ContainerId::parse(text.as_bytes()).expect("an ID"));
        assert_eq!((wanted.includes(&a), wanted.prefix(&a)), (true, Some("containerd://")));
        assert_eq!((wanted.includes(&b), wanted.prefix(&b)), (false, None));
        assert_eq!(
            (Wanted::Everything.includes(&b), Wanted::Everything.prefix(&b)),
            (true, None)
        );
    }
}
