//! What a child writes: upstream's three files and the file of details. All text was checked or cleaned before.

use fingerprints::os_release::Os;
use fingerprints::rule::{Runtime, is_in_answer};

use crate::look::{Finding, Note, is_merely_compiled};
use crate::rank::Rank;
use crate::roles::Role;

/// The file of details never grows beyond this, well below what the child may write.
const MAX_BYTES: usize = 60 * 1024;

fn properties(pairs: &[(&str, &str)]) -> String {
    let pairs = pairs.iter().filter(|(_, value)| !value.is_empty());
    pairs.map(|(key, value)| format!("{key}={value}\n")).collect()
}

fn main(findings: &[Finding]) -> Option<&Finding> {
    findings.iter().find(|finding| finding.role == Role::Main)
}

/// How good an answer for the container these are.
pub fn rank(findings: &[Finding]) -> Rank {
    match main(findings).map(|main| &main.identity) {
        Some(identity) if is_merely_compiled(identity) => Rank::Compiled,
        Some(identity) if identity.kind.is_some() => Rank::Recognised,
        _ => Rank::Nothing,
    }
}

/// The content of `os.txt`.
pub fn os(os: &Option<(Os, &str)>) -> String {
    os.as_ref().map_or(String::new(), |(os, _)| {
        properties(&[("os-release-id", &os.id), ("os-release-version-id", &os.version)])
    })
}

/// The content of `runtime-kind.txt`: the main process's kind.
pub fn kind(findings: &[Finding]) -> String {
    main(findings)
        .and_then(|main| main.identity.kind.as_ref())
        .map_or(String::new(), |kind| {
            properties(&[
                ("runtime-kind", kind.name),
                ("runtime-kind-implementer", &kind.implementer),
                ("runtime-kind-version", &kind.version),
            ])
        })
}

/// The content of `runtimes-fingerprints.txt`: the main process's frameworks, as far as they belong into the answer.
pub fn runtimes(findings: &[Finding]) -> String {
    let runtimes = main(findings).map_or(&[][..], |main| &main.identity.runtimes);
    let mut lines: Vec<_> = runtimes
        .iter()
        .zip(is_in_answer(runtimes))
        .filter(|(_, is_in_answer)| *is_in_answer)
        .map(|((_, runtime), _)| format!("{}={}\n", runtime.name, runtime.version))
        .collect();
    lines.sort_unstable();
    lines.concat()
}

/// The content of `detail-<uid>.txt`.
pub fn detail(os: &Option<(Os, &str)>, findings: &[Finding], notes: &[Note]) -> String {
    let mut text = String::new();
    if let Some((os, evidence)) = os {
        add(&mut text, &["os", &os.id, &os.version, evidence]);
    }
    // The main process must not be the one that finds no room.
    let (first, rest): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.role == Role::Main);
    for finding in first.into_iter().chain(rest) {
        let pid = finding.pid.to_string();
        let identity = &finding.identity;
        let (name, version, implementer) = match &identity.kind {
            Some(kind) => (kind.name, kind.version.as_str(), kind.implementer.as_str()),
            None => ("", "", ""),
        };
        let (start, role) = (finding.start.to_string(), finding.role.word());
        let evidence = (identity.evidence.as_str(), identity.version_evidence.as_str());
        add(
            &mut text,
            &[
                "process",
                &pid,
                &start,
                role,
                name,
                version,
                implementer,
                evidence.0,
                evidence.1,
            ],
        );
        let flags = is_in_answer(&identity.runtimes);
        for ((_, runtime), is_in_answer) in identity.runtimes.iter().zip(flags) {
            let answer = if is_in_answer { "answer" } else { "" };
            let Runtime {
                name,
                version,
                evidence,
            } = runtime;
            add(&mut text, &["runtime", &pid, name, version, evidence, answer]);
        }
    }
    for note in notes {
        add(&mut text, &["note", note.about, note.reason, &note.message]);
    }
    text
}

fn add(text: &mut String, fields: &[&str]) {
    let line = fields.join("\t");
    if text.len() + line.len() < MAX_BYTES {
        text.push_str(&line);
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use fingerprints::Kind;
    use fingerprints::rule::{Identity, Tier};

    use super::*;

    fn finding(pid: u32, role: Role) -> Finding {
        let kind = Kind {
            name: "Java",
            version: "17.0.13".into(),
            implementer: "Red Hat, Inc.".into(),
        };
        let runtime = |tier, name: &str| {
            let runtime = Runtime {
                name: name.into(),
                version: "3.8.1".into(),
                evidence: "a jar".into(),
            };
            (tier, runtime)
        };
        let runtimes = vec![runtime(Tier::Upstream, "Quarkus"), runtime(Tier::Library, "Netty")];
        Finding {
            pid,
            start: 99,
            role,
            identity: Identity {
                kind: (role == Role::Main).then_some(kind),
                evidence: "mapped /libjvm.so".into(),
                version_evidence: "/release".into(),
                is_wrapper: false,
                runtimes: if role == Role::Main { runtimes } else { Vec::new() },
            },
        }
    }

    #[test]
    fn the_files_have_the_agreed_form() {
        let system = Some((
            Os {
                id: "debian".into(),
                version: "12".into(),
            },
            "/etc/os-release",
        ));
        let findings = [finding(7, Role::Init), finding(8, Role::Main)];
        let notes = [Note {
            about: "kind",
            reason: "disagreement",
            message: "JAVA_HOME is x".into(),
        }];
        assert_eq!(os(&system), "os-release-id=debian\nos-release-version-id=12\n");
        assert_eq!(
            kind(&findings),
            "runtime-kind=Java\nruntime-kind-implementer=Red Hat, Inc.\nruntime-kind-version=17.0.13\n"
        );
        assert_eq!(runtimes(&findings), "Quarkus=3.8.1\n");
        assert_eq!(
            detail(&system, &findings, &notes),
            "os\tdebian\t12\t/etc/os-release\n\
             process\t8\t99\tmain\tJava\t17.0.13\tRed Hat, Inc.\tmapped /libjvm.so\t/release\n\
             runtime\t8\tQuarkus\t3.8.1\ta jar\tanswer\n\
             runtime\t8\tNetty\t3.8.1\ta jar\t\n\
             process\t7\t99\tinit\t\t\t\tmapped /libjvm.so\t/release\n\
             note\tkind\tdisagreement\tJAVA_HOME is x\n"
        );
    }

    #[test]
    fn nothing_found_is_nothing_written() {
        assert_eq!(
            (os(&None), kind(&[]), runtimes(&[]), detail(&None, &[], &[])),
            Default::default()
        );
    }

    #[test]
    fn a_flood_of_processes_is_cut_between_lines_and_keeps_the_main_one() {
        let mut findings: Vec<_> = (0..10_000).map(|pid| finding(pid, Role::Other)).collect();
        findings.push(finding(10_000, Role::Main));
        let text = detail(&None, &findings, &[]);
        assert!(text.len() <= MAX_BYTES && text.ends_with('\n') && text.contains("\t99\tmain\t"));
    }
}
