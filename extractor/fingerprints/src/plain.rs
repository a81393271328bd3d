//! Programs that say nothing about a workload: shells, inits, and those that only wait or start others.

use crate::path;
use crate::program::Program;

/// Programs that are started only to start others, to wait, or to serve a person.
const NAMELESS: [&str; 57] = [
    "ash",
    "bash",
    "busybox",
    "cat",
    "catatonit",
    "chroot",
    "conmon",
    "coreutils",
    "csh",
    "dash",
    "docker-init",
    "dumb-init",
    "env",
    "fish",
    "flock",
    "gosu",
    "init",
    "ksh",
    "less",
    "mksh",
    "my_init",
    "nice",
    "nohup",
    "nsenter",
    "pause",
    "podman-init",
    "runit",
    "runit-init",
    "runsv",
    "runsvdir",
    "runuser",
    "s6-supervise",
    "s6-svscan",
    "script",
    "setpriv",
    "sh",
    "sleep",
    "stdbuf",
    "strace",
    "su",
    "su-exec",
    "sudo",
    "systemd",
    "tail",
    "tcsh",
    "tee",
    "time",
    "timeout",
    "tini",
    "tini-static",
    "toybox",
    "true",
    "unshare",
    "watch",
    "xargs",
    "yes",
    "zsh",
];

/// Whether the program at that path has the name of one of these.
pub fn has_plain_name(path: &[u8]) -> bool {
    let name = std::str::from_utf8(path::name(path)).unwrap_or_default();
    NAMELESS.contains(&name)
}

/// Libraries that none of these programs has a platform from.
const PLAIN_LIBRARIES: [&str; 12] = [
    "ld-",
    "libacl.",
    "libattr.",
    "libc.",
    "libcap.",
    "libcrypt.",
    "libdl.",
    "libm.",
    "libpcre2-8.",
    "libpthread.",
    "libselinux.",
    "libtinfo.",
];
/// Larger than any shell.
const MAX_PLAIN_BYTES: u64 = 4 * 1024 * 1024;

/// Whether the program is one of those that say nothing about a workload and cannot have anything in it that would: it has
/// such a name, is small, needs none but plain libraries and cannot load others. What it has mapped need not be looked at.
pub fn is_plain(path: &[u8], program: &Program) -> bool {
    let is_plain_name = |name: &[u8]| {
        let is_library = name.starts_with(b"lib") && crate::contains(name, b".so");
        !is_library || PLAIN_LIBRARIES.iter().any(|plain| name.starts_with(plain.as_bytes()))
    };
    has_plain_name(path)
        && program.is_elf
        && !program.is_packed
        && program.size <= MAX_PLAIN_BYTES
        && program.go.is_none()
        && !program.names("dlopen")
        && program.names.split(|byte| *byte == 0).all(is_plain_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order() {
        assert!(NAMELESS.is_sorted());
    }

    #[test]
    fn a_plain_program_is_known_by_more_than_its_name() {
        let program = |names: &str, change: fn(&mut Program)| {
            let mut program = Program::default();
            (program.is_elf, program.size, program.names) = (true, 100_000, names.as_bytes().to_vec());
            change(&mut program);
            program
        };
        let same = |_: &mut Program| ();
        for (name, path, program, expected) in [
            ("a shell", "/bin/dash", program("\0libc.so.6\0fork\0", same), true),
            ("a static shell", "/bin/busybox", program("", same), true),
            (
                "a shell that loads libraries",
                "/bin/bash",
                program("\0libc.so.6\0dlopen\0", same),
                false,
            ),
            (
                "Python called sh",
                "/bin/sh",
                program("\0libc.so.6\0libpython3.11.so.1.0\0", same),
                false,
            ),
            (
                "Go called sh",
                "/bin/sh",
                program("", |it| it.go = Some(String::new())),
                false,
            ),
            (
                "something large called sh",
                "/bin/sh",
                program("", |it| it.size = 90_000_000),
                false,
            ),
            (
                "something packed",
                "/bin/sh",
                program("", |it| it.is_packed = true),
                false,
            ),
            ("a script", "/bin/sh", program("", |it| it.is_elf = false), false),
            (
                "another program",
                "/usr/sbin/nginx",
                program("\0libc.so.6\0", same),
                false,
            ),
        ] {
            assert_eq!(is_plain(path.as_bytes(), &program), expected, "{name}");
        }
    }
}
