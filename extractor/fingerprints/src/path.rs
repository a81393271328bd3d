//! Paths as bytes, as the kernel gives them.

/// The last part of a path.
pub fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// The folder of a file; empty for one at the root, `.` for one in the working directory.
pub fn folder(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(end) => &path[..end],
        None => b".",
    }
}

/// The part of the path that follows the part with this name.
pub fn after<'a>(path: &'a [u8], part: &[u8]) -> Option<&'a [u8]> {
    let mut parts = path.split(|byte| *byte == b'/');
    parts.find(|other| *other == part)?;
    parts.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_folder_a_name_and_parts() {
        for (path, expected_folder, expected_name) in [
            ("/usr/bin/perl", "/usr/bin", "perl"),
            ("/app", "", "app"),
            ("app", ".", "app"),
            ("", ".", ""),
        ] {
            assert_eq!(folder(path.as_bytes()), expected_folder.as_bytes(), "{path}");
            assert_eq!(name(path.as_bytes()), expected_name.as_bytes(), "{path}");
        }
        assert_eq!(after(b"/opt/shared/App/8.0.11/x.so", b"App"), Some(&b"8.0.11"[..]));
        assert_eq!(after(b"/opt/shared/App", b"App"), None);
        assert_eq!(after(b"/opt/shared/Apps/1", b"App"), None);
    }
}
