//! The exporter's answer as a tree for a person.

use std::fmt::Write;

use serde_json::{Map, Value};

/// The answer as indented lines: namespace, pod, container and below it what is known. With `processes` also each
/// process and the evidence.
pub fn tree(answer: &Value, processes: bool) -> String {
    let mut out = String::new();
    for (namespace, pods) in members(answer) {
        line(&mut out, 0, or_unknown(namespace));
        for (pod, containers) in members(pods) {
            line(&mut out, 1, or_unknown(pod));
            for (reference, container) in members(containers) {
                match text(&container["detail"], "containerName") {
                    "" => line(&mut out, 2, reference),
                    name => line(&mut out, 2, &format!("{name} ({reference})")),
                }
                describe(&mut out, container, processes);
            }
        }
    }
    if out.is_empty() {
        out.push_str("No running container matches.\n");
    }
    out
}

fn describe(out: &mut String, container: &Value, processes: bool) {
    let detail = &container["detail"];
    fact(
        out,
        3,
        "os",
        &words(&[text(container, "os"), text(container, "osVersion")]),
    );
    let implementer = in_brackets(text(container, "kindImplementer"));
    fact(
        out,
        3,
        "kind",
        &words(&[text(container, "kind"), text(container, "kindVersion"), &implementer]),
    );
    for runtime in list(container, "runtimes") {
        fact(
            out,
            3,
            "framework",
            &words(&[text(runtime, "name"), text(runtime, "version")]),
        );
    }
    if members(container).all(|(key, _)| key == "detail") {
        line(out, 3, "nothing recognised");
    }
    for note in list(detail, "notes") {
        let about = words(&[text(note, "about"), text(note, "reason")]);
        fact(out, 3, "note", &format!("{about}: {}", text(note, "message")));
    }
    if processes {
        fact(out, 3, "os evidence", text(detail, "osEvidence"));
        for process in list(detail, "processes") {
            describe_process(out, process);
        }
    }
}

fn describe_process(out: &mut String, process: &Value) {
    let implementer = in_brackets(text(process, "implementer"));
    let found = [text(process, "kind"), text(process, "version"), &implementer];
    fact(
        out,
        3,
        "process",
        &words(&[
            &process["pid"].to_string(),
            text(process, "role"),
            found[0],
            found[1],
            found[2],
        ]),
    );
    fact(out, 4, "evidence", text(process, "evidence"));
    fact(out, 4, "version evidence", text(process, "versionEvidence"));
    for runtime in list(process, "runtimes") {
        let evidence = text(runtime, "evidence");
        let from = if evidence.is_empty() {
            String::new()
        } else {
            format!("from {evidence}")
        };
        fact(
            out,
            4,
            "framework",
            &words(&[text(runtime, "name"), text(runtime, "version"), &from]),
        );
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn or_unknown(name: &str) -> &str {
    if name.is_empty() { "(not known)" } else { name }
}

fn words(parts: &[&str]) -> String {
    parts
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join(" ")
}

fn in_brackets(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("({text})")
    }
}

fn fact(out: &mut String, depth: usize, name: &str, value: &str) {
    if !value.is_empty() {
        line(out, depth, &format!("{name}: {value}"));
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:indent$}{text}", "", indent = depth * 2);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees() {
        let detailed = r#"{"shop":{"web-0":{"containerd://ab":{"os":"debian","osVersion":"12","kind":"Java","kindVersion":"17.0.13",
            "kindImplementer":"Debian","runtimes":[{"name":"Quarkus","version":"3.8.1"},{"name":"Camel"}],
            "detail":{"containerName":"app","runtimeInfo":{},"osEvidence":"/etc/os-release","processes":[
            {"pid":7,"role":"main","kind":"Java","version":"17.0.13","implementer":"Debian","evidence":"mapped libjvm.so",
            "versionEvidence":"release","runtimes":[{"name":"Quarkus","version":"3.8.1","evidence":"a.jar"}]},{"pid":9,"role":"other"}],
            "notes":[{"about":"kindVersion","reason":"unversioned","message":"no release file"}]}}}}}"#;
        let facts = "      os: debian 12\n      kind: Java 17.0.13 (Debian)\n      framework: Quarkus 3.8.1\n      framework: Camel\n      \
                     note: kindVersion unversioned: no release file\n";
        let head = "shop\n  web-0\n    app (containerd://ab)\n";
        let processes = "      os evidence: /etc/os-release\n      process: 7 main Java 17.0.13 (Debian)\n        evidence: mapped libjvm.so\n        \
                         version evidence: release\n        framework: Quarkus 3.8.1 from a.jar\n      process: 9 other\n";
        for (name, answer, with_processes, expected) in [
            ("nothing", "{}", false, "No running container matches.\n".to_owned()),
            ("summary", detailed, false, format!("{head}{facts}")),
            ("processes", detailed, true, format!("{head}{facts}{processes}")),
            (
                "a container without answer in a pod not known",
                r#"{"":{"":{"cri-o://a":{}}}}"#,
                false,
                "(not known)\n  (not known)\n    cri-o://a\n      nothing recognised\n".to_owned(),
            ),
            (
                "only hashes",
                r#"{"n":{"p":{"cri-o://a":{"os":"gdk3V0V_mIUj"}}}}"#,
                false,
                "n\n  p\n    cri-o://a\n      os: gdk3V0V_mIUj\n".to_owned(),
            ),
        ] {
            assert_eq!(
                tree(&serde_json::from_str(answer).expect("JSON"), with_processes),
                expected,
                "{name}"
            );
        }
    }
}
