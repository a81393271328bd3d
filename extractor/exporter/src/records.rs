//! The files of the output directory, from bytes to facts. What deviates from its pattern is dropped and counted.

use std::collections::BTreeMap;

use crate::patterns::{is_text, is_value};

const MAX_PROCESSES: usize = 64;
const MAX_RUNTIMES: usize = 64;
const MAX_NOTES: usize = 64;
const ROLES: [&str; 5] = ["main", "init", "helper", "sidecar", "other"];
const REASONS: [&str; 7] = [
    "gone",
    "sandboxed",
    "packed",
    "denied",
    "budget",
    "disagreement",
    "unversioned",
];

/// The pairs of a `key=value` file; the last of equal keys counts. A line longer than 64 KiB voids the file.
pub fn properties(bytes: &[u8]) -> BTreeMap<String, String> {
    let mut pairs = BTreeMap::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        if line.len() > 64 * 1024 {
            return BTreeMap::new();
        }
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if let (false, Some((key, value))) = (line.starts_with('#'), line.split_once('=')) {
            pairs.insert(key.trim().to_owned(), value.trim().to_owned());
        }
    }
    pairs
}

/// An operating system.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Os {
    /// `ID` of os-release.
    pub id: String,
    /// `VERSION_ID` of os-release.
    pub version: String,
    /// Where it was read.
    pub evidence: String,
}

/// One framework of one process.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Runtime {
    /// Name, e.g. `Quarkus`.
    pub name: String,
    /// Version, empty when unknown.
    pub version: String,
    /// Where it was found.
    pub evidence: String,
    /// Whether it belongs into the answer that all callers get, and not only into the details.
    pub is_in_answer: bool,
}

/// One process that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// As the host numbers it.
    pub pid: u32,
    /// Clock ticks since boot at its start.
    pub start: u64,
    /// What it is to the container, one of a closed set.
    pub role: String,
    /// Language platform, empty when not recognised.
    pub kind: String,
    /// Version of the platform.
    pub version: String,
    /// Who made it.
    pub implementer: String,
    /// Where the kind was found.
    pub evidence: String,
    /// Where the version was found.
    pub version_evidence: String,
    /// Its frameworks, sorted, each once.
    pub runtimes: Vec<Runtime>,
}

/// Why something is not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// What is not known.
    pub about: String,
    /// One of a closed set.
    pub reason: String,
    /// A sentence for a person.
    pub message: String,
}

/// What one user's child wrote about a container.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// The first operating system named.
    pub os: Option<Os>,
    /// Each pid once, at most one of them `main`.
    pub processes: Vec<Process>,
    /// In the order written.
    pub notes: Vec<Note>,
    /// Records that deviated.
    pub dropped: u64,
}

impl Detail {
    /// Whether no record was worth keeping.
    pub fn is_empty(&self) -> bool {
        self.os.is_none() && self.processes.is_empty() && self.notes.is_empty()
    }
}

/// The records of a `detail-<uid>.txt`. A last line without its newline was cut off and does not count.
pub fn detail(bytes: &[u8]) -> Detail {
    let mut detail = Detail::default();
    let mut runtimes = Vec::new();
    let complete = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    detail.dropped += u64::from(complete < bytes.len());
    for line in bytes[..complete]
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        if record(line, &mut detail, &mut runtimes).is_none() {
            detail.dropped += 1;
        }
    }
    for (pid, runtime) in runtimes {
        match detail.processes.iter_mut().find(|process| process.pid == pid) {
            Some(process) => process.runtimes.push(runtime),
            None => detail.dropped += 1,
        }
    }
    for process in &mut detail.processes {
        process.runtimes.sort();
        process
            .runtimes
            .dedup_by(|a, b| a.name == b.name && a.version == b.version);
    }
    detail
}

/// Adds one record; none when it deviates.
fn record(line: &[u8], detail: &mut Detail, runtimes: &mut Vec<(u32, Runtime)>) -> Option<()> {
    let line = std::str::from_utf8(line).ok()?;
    let mut fields = line.split('\t');
    match fields.next()? {
        "os" => {
            let os = Os {
                id: value(&mut fields)?,
                version: value(&mut fields)?,
                evidence: text(&mut fields)?,
            };
            end(fields)?;
            if detail.os.is_some() {
                return None;
            }
            detail.os = Some(os);
        }
        "process" => {
            let process = Process {
                pid: number(&mut fields)?,
                start: number(&mut fields)?,
                role: one_of(&ROLES, &mut fields)?,
                kind: value(&mut fields)?,
                version: value(&mut fields)?,
                implementer: value(&mut fields)?,
                evidence: text(&mut fields)?,
                version_evidence: text(&mut fields)?,
                runtimes: Vec::new(),
            };
            end(fields)?;
            let known = detail.processes.iter().any(|other| other.pid == process.pid);
            let second_main = process.role == "main" && detail.processes.iter().any(|other| other.role == "main");
            if known || second_main || detail.processes.len() >= MAX_PROCESSES {
                return None;
            }
            detail.processes.push(process);
        }
        "runtime" => {
            let pid = number(&mut fields)?;
            let name = value(&mut fields)?;
            let runtime = Runtime {
                name,
                version: value(&mut fields)?,
                evidence: text(&mut fields)?,
                is_in_answer: one_of(&["", "answer"], &mut fields)? == "answer",
            };
            end(fields)?;
            if runtime.name.is_empty() || runtimes.len() >= MAX_RUNTIMES {
                return None;
            }
            runtimes.push((pid, runtime));
        }
        "note" => {
            let about = value(&mut fields)?;
            let note = Note {
                about,
                reason: one_of(&REASONS, &mut fields)?,
                message: text(&mut fields)?,
            };
            end(fields)?;
            if detail.notes.len() >= MAX_NOTES {
                return None;
            }
            detail.notes.push(note);
        }
        _ => return None,
    }
    Some(())
}

type Fields<'a> = std::str::Split<'a, char>;

fn value(fields: &mut Fields) -> Option<String> {
    fields.next().filter(|field| is_value(field)).map(str::to_owned)
}

fn text(fields: &mut Fields) -> Option<String> {
    fields.next().filter(|field| is_text(field)).map(str::to_owned)
}

fn one_of(words: &[&str], fields: &mut Fields) -> Option<String> {
    fields.next().filter(|field| words.contains(field)).map(str::to_owned)
}

fn number<N: std::str::FromStr>(fields: &mut Fields) -> Option<N> {
    fields
        .next()
        .filter(|field| field.bytes().all(|byte| byte.is_ascii_digit()))?
        .parse()
        .ok()
}

fn end(mut fields: Fields) -> Option<()> {
    fields.next().is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_read_as_the_existing_exporter_reads_them() {
        let long = format!("a=1\n{}=2\n", "k".repeat(64 * 1024));
        type Row<'a> = (&'a str, &'a [u8], &'a [(&'a str, &'a str)]);
        let cases: &[Row] = &[
            ("pairs, trimmed", b" a = 1 \nb=2", &[("a", "1"), ("b", "2")]),
            (
                "blank lines, comments and lines without =",
                b"\n# x=1\n  #y=2\nnothing\na=1\n",
                &[("a", "1")],
            ),
            ("the first = splits", b"a=b=c\n", &[("a", "b=c")]),
            ("the last of equal keys counts", b"a=1\na=2\n", &[("a", "2")]),
            ("an empty value stays", b"a=\n", &[("a", "")]),
            ("carriage returns are white space", b"a=1\r\n", &[("a", "1")]),
            ("a line over 64 KiB voids the file", long.as_bytes(), &[]),
            ("no bytes", b"", &[]),
        ];
        for (name, bytes, expected) in cases {
            let expected = expected.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
            assert_eq!(properties(bytes), expected, "{name}");
        }
    }

    #[test]
    fn a_detail_file_becomes_facts() {
        let read = detail(
            b"runtime\t7\tQuarkus\t3.8.1\tjar\tanswer\nos\tdebian\t12\t/etc/os-release\n\
              process\t7\t99\tmain\tJava\t17.0.13\tDebian\tlibjvm.so\trelease\n\
              runtime\t7\tCamel\t\tjar\t\nruntime\t7\tQuarkus\t3.8.1\tother jar\tanswer\n\
              note\tkindVersion\tunversioned\tno <version>\n",
        );
        assert_eq!(read.dropped, 0);
        assert_eq!(read.os.as_ref().map(|os| os.id.as_str()), Some("debian"));
        let process = &read.processes[0];
        assert_eq!((process.pid, process.start, process.kind.as_str()), (7, 99, "Java"));
        let names: Vec<_> = process.runtimes.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["Camel", "Quarkus"]);
        assert_eq!(read.notes[0].message, "no <version>");
    }

    #[test]
    fn a_record_that_deviates_is_dropped_and_counted() {
        let good = "process\t1\t1\tother\t\t\t\t\t\n";
        for (name, line) in [
            ("unknown record", "nonsense\tx\n"),
            ("too few fields", "os\tdebian\n"),
            ("too many fields", "os\tdebian\t12\te\tmore\n"),
            ("unknown role", "process\t2\t1\tking\t\t\t\t\t\n"),
            ("a pid with a sign", "process\t+2\t1\tother\t\t\t\t\t\n"),
            ("a pid beyond 32 bits", "process\t4294967296\t1\tother\t\t\t\t\t\n"),
            ("no pid", "process\t\t1\tother\t\t\t\t\t\n"),
            ("the same pid twice", "process\t1\t1\tother\t\t\t\t\t\n"),
            ("free text as a value", "process\t2\t1\tother\t<b>\t\t\t\t\n"),
            ("a terminal escape in the evidence", "os\tdebian\t12\t\u{1b}[2J\n"),
            ("NUL", "os\tdebian\0\t12\t\n"),
            ("a framework without a name", "runtime\t1\t\t1\t\tanswer\n"),
            (
                "a framework of an unknown process",
                "runtime\t9\tQuarkus\t1\t\tanswer\n",
            ),
            ("a framework with an odd flag", "runtime\t1\tQuarkus\t1\t\tyes\n"),
            ("unknown reason", "note\tkind\tbored\t\n"),
            ("no newline at the end", "os\tdebian\t1"),
        ] {
            let read = detail(format!("{good}{line}").as_bytes());
            assert_eq!(read.dropped, 1, "{name}");
            assert_eq!(
                (read.processes.len(), read.os, read.notes.len()),
                (1, None, 0),
                "{name}"
            );
        }
        assert_eq!(detail(b"os\t\xff\t\t\n").dropped, 1, "not UTF-8");
        let mains = "process\t1\t1\tmain\t\t\t\t\t\nprocess\t2\t1\tmain\t\t\t\t\t\n";
        assert_eq!(detail(mains.as_bytes()).processes.len(), 1, "a second main");
        let flood: String = (0..10_000)
            .map(|pid| format!("process\t{pid}\t1\tother\t\t\t\t\t\n"))
            .collect();
        assert_eq!(detail(flood.as_bytes()).processes.len(), MAX_PROCESSES, "a flood");
    }
}
