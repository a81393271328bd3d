//! What the name of a jar says.

/// An artifact as Maven names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Artifact {
    /// Such as `io.netty`.
    pub group: &'static str,
    /// Such as `netty-common`.
    pub name: &'static str,
}

/// The version in the name of a jar of this artifact, empty when there is none in it; nothing when it is a jar of something else. A
/// name may begin with the group, as Quarkus writes it.
pub fn version<'a>(file: &'a [u8], artifact: &Artifact) -> Option<&'a [u8]> {
    let stem = stem(file)?;
    let dots = memchr::memchr_iter(b'.', stem).map(|dot| dot + 1);
    let rest = std::iter::once(0).chain(dots).find_map(|at| {
        let rest = stem[at..].strip_prefix(artifact.name.as_bytes())?;
        let group = &stem[..at.saturating_sub(1)];
        (at == 0 || group.ends_with(artifact.group.as_bytes())).then_some(rest)
    })?;
    match rest {
        [] => Some(rest),
        [b'-', version @ ..] if version.first().is_some_and(u8::is_ascii_digit) => Some(version),
        _ => None,
    }
}

/// The name of a jar without its ending.
pub fn stem(file: &[u8]) -> Option<&[u8]> {
    let (stem, ending) = file.split_at_checked(file.len().checked_sub(4)?)?;
    [&b".jar"[..], b".war"]
        .iter()
        .any(|known| ending.eq_ignore_ascii_case(known))
        .then_some(stem)
}

/// The path of something below a folder.
pub fn below(folder: &[u8], path: &[u8]) -> Vec<u8> {
    match (path.first(), folder) {
        (Some(b'/'), _) => path.to_vec(),
        (_, b".") => path.to_vec(),
        (_, folder) => [folder.strip_suffix(b"/").unwrap_or(folder), b"/", path].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jar_is_told_by_its_name() {
        const NETTY: Artifact = Artifact {
            group: "io.netty",
            name: "netty-common",
        };
        for (file, expected) in [
            ("netty-common-4.1.115.Final.jar", Some("4.1.115.Final")),
            ("io.netty.netty-common-4.1.115.Final.jar", Some("4.1.115.Final")),
            ("modified-io.netty.netty-common-4.1.jar", Some("4.1")),
            ("netty-common.jar", Some("")),
            ("netty-common-4.1.JAR", Some("4.1")),
            ("netty-common-extra-4.1.jar", None),
            ("my-netty-common-4.1.jar", None),
            ("other.netty-common-4.1.jar", None),
            ("netty-commons-4.1.jar", None),
            ("netty-common-4.1.txt", None),
            (".jar", None),
            ("", None),
        ] {
            assert_eq!(version(file.as_bytes(), &NETTY), expected.map(str::as_bytes), "{file}");
        }
    }

    #[test]
    fn paths_are_put_together() {
        for (given, path, expected) in [
            ("/app", "lib/a.jar", "/app/lib/a.jar"),
            ("/app/", "lib/a.jar", "/app/lib/a.jar"),
            ("", "a.jar", "/a.jar"),
            (".", "a.jar", "a.jar"),
            ("/app", "/a.jar", "/a.jar"),
        ] {
            assert_eq!(below(given.as_bytes(), path.as_bytes()), expected.as_bytes());
        }
    }
}
