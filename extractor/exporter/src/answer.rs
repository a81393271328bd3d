//! What is known about one container, from the files of its directory to the bytes of the reply.

use std::collections::BTreeMap;
use std::io;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::hash::hash;
use crate::patterns::is_value;
use crate::records::{Detail, Note, Os, Process};

/// Frameworks of one container.
pub const MAX_RUNTIMES: usize = 16;

/// A framework.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Name, never empty.
    pub name: String,
    /// Version, empty when unknown.
    pub version: String,
}

/// The runtime info of one container; every field is empty when unknown.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// Operating system.
    pub os: String,
    /// Its version.
    pub os_version: String,
    /// Language platform.
    pub kind: String,
    /// Its version.
    pub kind_version: String,
    /// Who made it.
    pub kind_implementer: String,
    /// Frameworks.
    pub runtimes: Vec<Component>,
}

impl RuntimeInfo {
    /// Runtime info and the number of values dropped, from files in the existing project's format:
    /// `os.txt`, `runtime-kind.txt` and the `*-fingerprints.txt` in the order of their names.
    pub fn from_properties(
        os: &BTreeMap<String, String>,
        kind: &BTreeMap<String, String>,
        fingerprints: &[BTreeMap<String, String>],
    ) -> (Self, u64) {
        let mut dropped = 0;
        let mut checked = |text: Option<&String>| match text {
            Some(text) if is_value(text) => text.clone(),
            Some(_) => {
                dropped += 1;
                String::new()
            }
            None => String::new(),
        };
        let info = Self {
            os: checked(os.get("os-release-id")),
            os_version: checked(os.get("os-release-version-id")),
            kind: checked(kind.get("runtime-kind")),
            kind_version: checked(kind.get("runtime-kind-version")),
            kind_implementer: checked(kind.get("runtime-kind-implementer")),
            runtimes: fingerprints
                .iter()
                .flatten()
                .map(|(name, version)| Component {
                    name: checked(Some(name)),
                    version: checked(Some(version)),
                })
                .filter(|component| !component.name.is_empty())
                .take(MAX_RUNTIMES)
                .collect(),
        };
        (info, dropped)
    }

    /// Runtime info of the container's main process: among the users' mains a language platform or a known server comes first,
    /// then a merely compiled program, then the rest; among equals the oldest, then the lowest pid. The operating system is the first that any user names.
    pub fn from_details(details: &[Detail]) -> Self {
        let main = details
            .iter()
            .flat_map(|detail| detail.processes.iter().map(move |process| (detail, process)))
            .filter(|(_, process)| process.role == "main")
            .min_by_key(|(_, process)| {
                (
                    process.kind.is_empty(),
                    is_merely_compiled(process),
                    process.start,
                    process.pid,
                )
            });
        let os = operating_system(details);
        let mut info = Self {
            os: os.id,
            os_version: os.version,
            ..Self::default()
        };
        if let Some((_, process)) = main {
            info.kind.clone_from(&process.kind);
            info.kind_version.clone_from(&process.version);
            info.kind_implementer.clone_from(&process.implementer);
            info.runtimes = process
                .runtimes
                .iter()
                .filter(|runtime| runtime.is_in_answer)
                .map(|runtime| Component {
                    name: runtime.name.clone(),
                    version: runtime.version.clone(),
                })
                .collect();
        }
        info
    }

    /// The same with every value hashed.
    pub fn hashed(&self) -> Self {
        Self {
            os: hash(&self.os),
            os_version: hash(&self.os_version),
            kind: hash(&self.kind),
            kind_version: hash(&self.kind_version),
            kind_implementer: hash(&self.kind_implementer),
            runtimes: self
                .runtimes
                .iter()
                .map(|component| Component {
                    name: hash(&component.name),
                    version: hash(&component.version),
                })
                .collect(),
        }
    }

    /// Whether a language platform or framework was found.
    pub fn is_recognised(&self) -> bool {
        !self.kind.is_empty() || !self.runtimes.is_empty()
    }
}

/// Whether no more is known of the process than that it was compiled.
fn is_merely_compiled(process: &Process) -> bool {
    process.kind == "C/C++" && process.runtimes.is_empty()
}

/// The first operating system named; the order of the users is that of the files' uids.
fn operating_system(details: &[Detail]) -> Os {
    details.iter().find_map(|detail| detail.os.clone()).unwrap_or_default()
}

/// Everything the reply says about one container.
pub struct Container {
    /// Its name within the pod, empty when not known.
    pub name: String,
    /// In clear text.
    pub info: RuntimeInfo,
    /// One per user, in the order of their uids; empty when only files of the existing project were there.
    pub details: Vec<Detail>,
}

impl Container {
    /// The JSON of the container; `with_detail` adds the key `detail`, which is always clear text.
    pub fn json(&self, with_hash: bool, with_detail: bool) -> serde_json::Result<String> {
        let info = if with_hash {
            self.info.hashed()
        } else {
            self.info.clone()
        };
        to_json(&Reply {
            info: &info,
            detail: with_detail.then_some(self),
        })
    }
}

struct Reply<'a> {
    info: &'a RuntimeInfo,
    detail: Option<&'a Container>,
}

impl Serialize for Reply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        runtime_info(&mut map, self.info)?;
        if let Some(container) = self.detail {
            map.serialize_entry("detail", &DetailReply(container))?;
        }
        map.end()
    }
}

impl Serialize for RuntimeInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        runtime_info(&mut map, self)?;
        map.end()
    }
}

fn runtime_info<M: SerializeMap>(map: &mut M, info: &RuntimeInfo) -> Result<(), M::Error> {
    text(map, "os", &info.os)?;
    text(map, "osVersion", &info.os_version)?;
    text(map, "kind", &info.kind)?;
    text(map, "kindVersion", &info.kind_version)?;
    text(map, "kindImplementer", &info.kind_implementer)?;
    if !info.runtimes.is_empty() {
        map.serialize_entry("runtimes", &info.runtimes)?;
    }
    Ok(())
}

fn text<M: SerializeMap>(map: &mut M, key: &str, value: &str) -> Result<(), M::Error> {
    if value.is_empty() {
        Ok(())
    } else {
        map.serialize_entry(key, value)
    }
}

impl Serialize for Component {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "name", &self.name)?;
        text(&mut map, "version", &self.version)?;
        map.end()
    }
}

struct DetailReply<'a>(&'a Container);

impl Serialize for DetailReply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Container { name, info, details } = self.0;
        let mut processes: Vec<_> = details
            .iter()
            .flat_map(|detail| &detail.processes)
            .map(ProcessReply)
            .collect();
        processes.sort_by_key(|process| (process.0.start, process.0.pid));
        processes.dedup_by_key(|process| (process.0.start, process.0.pid));
        let mut notes: Vec<_> = details.iter().flat_map(|detail| &detail.notes).collect();
        notes.sort();
        notes.dedup();
        let notes: Vec<_> = notes.into_iter().map(NoteReply).collect();

        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "containerName", name)?;
        map.serialize_entry("runtimeInfo", info)?;
        text(&mut map, "osEvidence", &operating_system(details).evidence)?;
        map.serialize_entry("processes", &processes)?;
        map.serialize_entry("notes", &notes)?;
        map.end()
    }
}

struct ProcessReply<'a>(&'a Process);

impl Serialize for ProcessReply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let process = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("pid", &process.pid)?;
        text(&mut map, "role", &process.role)?;
        text(&mut map, "kind", &process.kind)?;
        text(&mut map, "version", &process.version)?;
        text(&mut map, "implementer", &process.implementer)?;
        text(&mut map, "evidence", &process.evidence)?;
        text(&mut map, "versionEvidence", &process.version_evidence)?;
        if !process.runtimes.is_empty() {
            let runtimes: Vec<_> = process.runtimes.iter().map(RuntimeReply).collect();
            map.serialize_entry("runtimes", &runtimes)?;
        }
        map.end()
    }
}

struct RuntimeReply<'a>(&'a crate::records::Runtime);

impl Serialize for RuntimeReply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "name", &self.0.name)?;
        text(&mut map, "version", &self.0.version)?;
        text(&mut map, "evidence", &self.0.evidence)?;
        map.end()
    }
}

struct NoteReply<'a>(&'a Note);

impl Serialize for NoteReply<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        text(&mut map, "about", &self.0.about)?;
        text(&mut map, "reason", &self.0.reason)?;
        text(&mut map, "message", &self.0.message)?;
        map.end()
    }
}

/// Where a container stands in the reply: namespace, pod, container reference.
pub type Place = (String, String, String);

/// The whole reply: containers by place, as nested objects with sorted keys.
pub fn tree(containers: BTreeMap<Place, String>) -> serde_json::Result<Vec<u8>> {
    let bytes = containers
        .iter()
        .map(|((a, b, c), json)| a.len() + b.len() + c.len() + json.len() + 16)
        .sum::<usize>();
    let mut body = Vec::with_capacity(bytes + 2);
    body.push(b'{');
    let mut open: Option<(String, String)> = None;
    for ((namespace, pod, reference), json) in containers {
        match &open {
            Some((ns, p)) if *ns == namespace && *p == pod => body.push(b','),
            previous => {
                match previous {
                    Some((ns, _)) if *ns == namespace => body.extend_from_slice(b"},"),
                    Some(_) => body.extend_from_slice(b"}},"),
                    None => {}
                }
                if previous.as_ref().is_none_or(|(ns, _)| *ns != namespace) {
                    body.extend_from_slice(to_json(&namespace)?.as_bytes());
                    body.extend_from_slice(b":{");
                }
                body.extend_from_slice(to_json(&pod)?.as_bytes());
                body.extend_from_slice(b":{");
                open = Some((namespace, pod));
            }
        }
        body.extend_from_slice(to_json(&reference)?.as_bytes());
        body.push(b':');
        body.extend_from_slice(json.as_bytes());
    }
    body.extend_from_slice(if open.is_some() { b"}}}" } else { b"}" });
    Ok(body)
}

fn to_json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<String> {
    let mut bytes = Vec::with_capacity(128);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, HtmlSafe))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// Compact JSON that can stand inside HTML, as the existing exporter writes it.
struct HtmlSafe;

impl serde_json::ser::Formatter for HtmlSafe {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, special) = rest.split_at(at);
            let character = special.chars().next().unwrap_or_default();
            write!(out, "{plain}\\u{:04x}", character as u32)?;
            rest = &special[character.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
#[path = "answer_test.rs"]
mod tests;
