//! What each process is to its container.
//!
//! The rule for the main process: of those that are neither an init, a shell that waits, nor a helper, a language platform or
//! a known server comes first, then any other compiled program, then the rest; among equals the oldest, then the one with
//! the lowest number. So the same processes always give the same answer, and it does not matter where in the tree a
//! process stands.

/// What a process is to its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that the answer is about.
    Main,
    /// Starts and reaps the others.
    Init,
    /// Only starts another: a package manager, a shell in between, a wrapper.
    Helper,
    /// Of a recognised kind, but not the main process's.
    Sidecar,
    /// Anything else.
    Other,
}

impl Role {
    /// The word for it in the answer.
    pub fn word(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Init => "init",
            Self::Helper => "helper",
            Self::Sidecar => "sidecar",
            Self::Other => "other",
        }
    }
}

/// What the roles are decided from. Processes come the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The path of what it executes, with links resolved.
    pub executable: Vec<u8>,
    /// Its kind, when it is recognised.
    pub kind: Option<&'static str>,
    /// Whether no more is known of it than that it was compiled.
    pub is_merely_compiled: bool,
    /// Whether another process of the container is its child.
    pub has_children: bool,
    /// Whether it is the container's oldest process.
    pub is_oldest: bool,
    /// Whether it is a script known to only start others: a package manager, a supervisor.
    pub is_starter: bool,
    /// Whether it is a Go program known to only start others.
    pub is_wrapper: bool,
}

const INITS: [&str; 22] = [
    "catatonit",
    "conmon",
    "docker-init",
    "dumb-init",
    "gosu",
    "init",
    "my_init",
    "podman-init",
    "runit",
    "runit-init",
    "runsv",
    "runsvdir",
    "runuser",
    "s6-supervise",
    "s6-svscan",
    "setpriv",
    "su",
    "su-exec",
    "sudo",
    "systemd",
    "tini",
    "tini-static",
];
const SHELLS: [&str; 11] = [
    "ash", "bash", "busybox", "csh", "dash", "ksh", "mksh", "sh", "tcsh", "toybox", "zsh",
];
/// Scripts, by the name of their file or the title that they give themselves.
const STARTERS: [&str; 13] = [
    "corepack",
    "npm",
    "npm-cli.js",
    "npx",
    "npx-cli.js",
    "pnpm",
    "pnpm.cjs",
    "supervisord",
    "yarn",
    "yarn.cjs",
    "yarn.js",
    "yarnpkg",
    "yarnpkg.js",
];

fn base_name(path: &[u8]) -> &str {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default()
}

/// Whether the command line of an interpreter is that of a script that only starts others: a package manager or a
/// supervisor. It may have given itself a title (`npm run start`).
pub fn is_starter(command_line: &[u8]) -> bool {
    let words = command_line.split(|byte| *byte == 0).take(4);
    let mut first_words = words.map(|word| base_name(word.split(|byte| *byte == b' ').next().unwrap_or_default()));
    let title = first_words.next().unwrap_or_default();
    let is_known = |name: &str| STARTERS.contains(&name);
    // The script is the first argument that is not an option.
    is_known(title) || first_words.find(|word| !word.starts_with('-')).is_some_and(is_known)
}

/// The role of each process, in their order.
pub fn assign(seen: &[Seen]) -> Vec<Role> {
    let mut roles: Vec<_> = seen.iter().map(own_role).collect();
    let free = |index: &usize| roles[*index] == Role::Other;
    let rank = |process: &Seen| (process.kind.is_none(), process.is_merely_compiled);
    let Some(main) = (0..seen.len()).filter(free).min_by_key(|index| rank(&seen[*index])) else {
        return roles;
    };
    roles[main] = Role::Main;
    for (role, process) in roles.iter_mut().zip(seen) {
        if *role == Role::Other && process.kind.is_some() && process.kind != seen[main].kind {
            *role = Role::Sidecar;
        }
    }
    roles
}

/// The role that a process has by itself.
fn own_role(process: &Seen) -> Role {
    let name = base_name(&process.executable);
    if (process.is_starter || process.is_wrapper) && process.has_children {
        return Role::Helper;
    }
    if process.kind.is_some() && !process.is_merely_compiled {
        return Role::Other;
    }
    if INITS.contains(&name) {
        return Role::Init;
    }
    match process.has_children && SHELLS.contains(&name) {
        true if process.is_oldest => Role::Init,
        true => Role::Helper,
        false => Role::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(executable: &str, kind: Option<&'static str>, children: bool) -> Seen {
        Seen {
            executable: executable.into(),
            kind,
            has_children: children,
            ..Seen::default()
        }
    }

    fn compiled(executable: &str) -> Seen {
        Seen {
            is_merely_compiled: true,
            ..seen(executable, Some("C/C++"), false)
        }
    }

    fn first(seen: Seen) -> Seen {
        Seen {
            is_oldest: true,
            ..seen
        }
    }

    #[test]
    fn the_main_process_is_found_whatever_started_it() {
        let npm = Seen {
            is_starter: true,
            ..seen("/usr/bin/node", Some("Node.js"), true)
        };
        let wrapper = Seen {
            is_wrapper: true,
            ..seen("/thrust", Some("Golang"), true)
        };
        let node = || seen("/usr/bin/node", Some("Node.js"), false);
        let java = || seen("/opt/jdk/bin/java", Some("Java"), false);
        let go = || seen("/app", Some("Golang"), false);
        let sleep = || seen("/bin/sleep", None, false);
        for (name, processes, expected) in [
            ("alone", vec![first(node())], "main"),
            (
                "a shell that waits",
                vec![first(seen("/bin/dash", None, true)), node()],
                "init main",
            ),
            (
                "tini",
                vec![first(seen("/usr/bin/tini", None, true)), java()],
                "init main",
            ),
            ("a shell alone", vec![first(seen("/bin/bash", None, false))], "main"),
            (
                "a shell with something unknown",
                vec![first(seen("/bin/busybox", None, true)), sleep()],
                "init main",
            ),
            (
                "npm, shell, node",
                vec![first(npm.clone()), seen("/bin/dash", None, true), node()],
                "helper helper main",
            ),
            ("npm whose child belongs to another user", vec![first(npm)], "helper"),
            (
                "a recognised process before an older unknown one",
                vec![first(sleep()), java()],
                "other main",
            ),
            ("the older of two kinds", vec![first(java()), go()], "main sidecar"),
            (
                "workers",
                vec![first(seen("/usr/bin/node", Some("Node.js"), true)), node(), node()],
                "main other other",
            ),
            (
                "a Java with children",
                vec![first(seen("/opt/jdk/bin/java", Some("Java"), true)), sleep()],
                "main other",
            ),
            (
                "a compiled program before the one that is known",
                vec![first(compiled("/usr/sbin/cron")), java()],
                "sidecar main",
            ),
            (
                "tini, which is a compiled program",
                vec![first(compiled("/usr/bin/tini")), compiled("/app")],
                "init main",
            ),
            (
                "a compiled program and a shell",
                vec![first(seen("/bin/sh", None, true)), compiled("/app")],
                "init main",
            ),
            ("a wrapper in Go", vec![first(wrapper), node()], "helper main"),
            (
                "a Go program called tini",
                vec![first(seen("/tini", Some("Golang"), true)), sleep()],
                "main other",
            ),
            ("only an init", vec![first(seen("/sbin/init", None, false))], "init"),
            ("nothing", vec![], ""),
        ] {
            let roles: Vec<_> = assign(&processes).into_iter().map(Role::word).collect();
            assert_eq!(roles.join(" "), expected, "{name}");
        }
    }

    #[test]
    fn starters_are_known_by_script_or_title() {
        for (line, expected) in [
            ("npm start\0\0\0", true),
            ("npm run start:prod", true),
            ("/usr/local/bin/node\0/usr/local/bin/npm\0start\0", true),
            (
                "node\0--no-warnings\0/usr/lib/node_modules/npm/bin/npm-cli.js\0start\0",
                true,
            ),
            ("node\0/opt/yarn/bin/yarn.js\0start\0", true),
            ("/usr/bin/python3\0/usr/bin/supervisord\0-n\0", true),
            ("node\0server.js\0npm\0", false),
            ("node\0/app/npm/server.js\0", false),
            ("", false),
        ] {
            assert_eq!(is_starter(line.as_bytes()), expected, "{line:?}");
        }
    }
}
