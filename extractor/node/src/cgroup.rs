//! Container IDs in the names of control groups. No layout is assumed: version 1, hybrid and 2, the systemd and cgroupfs
//! spellings and nested engines all have the ID as 64 hex digits somewhere in the path.

use std::fmt;

/// The bare ID of a container.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId([u8; 32]);

/// How long an ID is as text.
pub const ID_DIGITS: usize = 64;

impl ContainerId {
    /// The ID that 64 lower-case hex digits spell; none for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut id = [0; 32];
        if text.len() != ID_DIGITS {
            return None;
        }
        for (byte, pair) in id.iter_mut().zip(text.as_chunks::<2>().0) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(id))
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for ContainerId {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// A container engine, by the prefix that its container IDs have in a pod's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// CRI-O.
    CriO,
    /// containerd.
    Containerd,
    /// Docker behind cri-dockerd.
    Docker,
}

impl Engine {
    /// The prefix of its references.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::CriO => "cri-o://",
            Self::Containerd => "containerd://",
            Self::Docker => "docker://",
        }
    }

    /// The engine whose helper on the host has this name and is the parent of a container's first process.
    pub fn of_helper(name: &[u8]) -> Option<Self> {
        match name {
            b"conmon" | b"conmonrs" => Some(Self::CriO),
            name if name.starts_with(b"containerd-shim") => Some(Self::Containerd),
            _ => None,
        }
    }
}

/// The outermost ID in the text of `/proc/<pid>/cgroup` that the caller knows, and the engine when the name tells it. A
/// container that may make groups of its own names only those below its own, so it cannot pass for another one.
/// CRI-O's `conmon` lives beside its container in a group of its own that carries the ID too: it is not the container.
pub fn container(text: &[u8], is_known: impl Fn(&ContainerId) -> bool) -> Option<(ContainerId, Option<Engine>)> {
    let mut start = 0;
    for run in text.split(|byte| digit(*byte).is_none()) {
        let before = &text[..start];
        let is_container = |id: &ContainerId| !before.ends_with(b"conmon-") && is_known(id);
        if let Some(id) = ContainerId::parse(run).filter(is_container) {
            return Some((id, engine(before)));
        }
        start += run.len() + 1;
    }
    None
}

fn engine(before: &[u8]) -> Option<Engine> {
    let ends_with = |text: &[u8]| before.ends_with(text);
    if ends_with(b"cri-containerd-") || ends_with(b"cri-containerd:") {
        Some(Engine::Containerd)
    } else if ends_with(b"crio-") {
        Some(Engine::CriO)
    } else if ends_with(b"docker-") {
        Some(Engine::Docker)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "6b802b182bf29e003f532d3b40c440b66b802b182bf29e003f532d3b40c440b6";
    const B: &str = "00000000000000000000000000000000000000000000000000000000000000bb";

    fn id(text: &str) -> ContainerId {
        ContainerId::parse(text.as_bytes()).expect("an ID")
    }

    #[test]
    fn the_id_is_found_in_every_layout() {
        let slice =
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1c2d3e4f_1111_2222_3333_444455556666.slice";
        for (name, text, expected) in [
            (
                "v2, CRI-O, systemd",
                format!("0::{slice}/crio-{A}.scope\n"),
                Some((A, Some(Engine::CriO))),
            ),
            (
                "v2, containerd, systemd",
                format!("0::{slice}/cri-containerd-{A}.scope\n"),
                Some((A, Some(Engine::Containerd))),
            ),
            (
                "v2, cgroupfs",
                format!("0::/kubepods/besteffort/pod1c2d3e4f-1111-2222-3333-444455556666/{A}\n"),
                Some((A, None)),
            ),
            (
                "a group of its own below",
                format!("0::{slice}/crio-{A}.scope/container/init.scope\n"),
                Some((A, Some(Engine::CriO))),
            ),
            (
                "v1",
                format!(
                    "12:pids:/kubepods/pod1/{A}\n11:memory:/kubepods/pod1/{A}\n1:name=systemd:/kubepods/pod1/{A}\n"
                ),
                Some((A, None)),
            ),
            (
                "hybrid",
                format!("4:memory:/kubepods/pod1/{A}\n1:name=systemd:/\n0::/\n"),
                Some((A, None)),
            ),
            (
                "a systemd path on the cgroupfs driver",
                format!("3:cpu:/{slice}:cri-containerd:{A}\n"),
                Some((A, Some(Engine::Containerd))),
            ),
            (
                "a node inside a container",
                format!("0::/docker/{}/kubelet/kubepods/pod1/{A}\n", "e".repeat(64)),
                Some((A, None)),
            ),
            (
                "an engine inside a container: its IDs are not a pod's",
                format!("0::{slice}/crio-{A}.scope/docker/{}\n", "c".repeat(64)),
                Some((A, Some(Engine::CriO))),
            ),
            (
                "a group that a container named after another one",
                format!("0::{slice}/crio-{A}.scope/crio-{B}.scope\n"),
                Some((A, Some(Engine::CriO))),
            ),
            (
                "seen from another cgroup namespace",
                format!("0::/../../pod1/cri-containerd-{A}.scope\n"),
                Some((A, Some(Engine::Containerd))),
            ),
            (
                "Docker",
                format!("0::/system.slice/docker-{A}.scope\n"),
                Some((A, Some(Engine::Docker))),
            ),
            (
                "conmon is not the container",
                format!("0::{slice}/crio-conmon-{A}.scope\n"),
                None,
            ),
            ("an unknown ID", format!("0::/kubepods/pod1/{}\n", "d".repeat(64)), None),
            ("65 digits", format!("0::/kubepods/{A}0\n"), None),
            ("capital letters", format!("0::/kubepods/{}\n", A.to_uppercase()), None),
            ("a host process", "0::/system.slice/sshd.service\n".to_owned(), None),
            ("cut", format!("0::/kubepods/{}", &A[..63]), None),
            ("empty", String::new(), None),
        ] {
            let found = container(text.as_bytes(), |found| [id(A), id(B)].contains(found));
            assert_eq!(found, expected.map(|(text, engine)| (id(text), engine)), "{name}");
        }
    }

    #[test]
    fn an_id_is_written_as_it_was_read() {
        assert_eq!(id(A).to_string(), A);
        for wrong in ["", &A[1..], &format!("{A}0"), &A.replace('6', "g")] {
            assert_eq!(ContainerId::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn helpers_on_the_host_tell_the_engine() {
        for (name, expected) in [
            ("containerd-shim", Some(Engine::Containerd)),
            ("conmon", Some(Engine::CriO)),
            ("systemd", None),
            ("", None),
        ] {
            assert_eq!(Engine::of_helper(name.as_bytes()), expected, "{name}");
        }
    }
}
