//! Whole exchanges, byte for byte, as recorded from the reference exporter in `interop/recorded/exporter.json`.
//! `RECORD=1 cargo test -p exporter --test recorded` records them anew.
//!
//! Each says what a caller sends, what then arrives at the extractor (null: nothing), what the extractor answers (null: it is not
//! there) and what the caller gets. `ours` holds what differs where docs/adr/0012 says so.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{Node, ask, container, info, say};

fn recording() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/recorded/exporter.json")
}

fn exchanges() -> Vec<Value> {
    let text = fs::read_to_string(recording()).expect("read the recording");
    serde_json::from_str(&text).expect("JSON")
}

/// What an exporter said, and what it had asked.
#[derive(Debug, PartialEq)]
struct Said {
    status: String,
    headers: BTreeMap<String, String>,
    body: String,
    asked: Vec<String>,
}

/// Headers that may differ: the time, and the connection, which ours always closes.
const FREE: [&str; 2] = ["Date", "Connection"];

fn said(reply: &str, asked: Vec<String>) -> Said {
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((reply, ""));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default().to_owned();
    let mut headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .filter(|(name, _)| !FREE.contains(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut body = body.to_owned();
    // The other way to say where a body ends, which Go's library takes for longer ones.
    if headers.remove("Transfer-Encoding").is_some() {
        body = joined(&body);
        headers.insert("Content-Length".to_owned(), body.len().to_string());
    }
    Said {
        status,
        headers,
        body,
        asked,
    }
}

fn joined(chunks: &str) -> String {
    let (mut body, mut rest) = (String::new(), chunks);
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("the size of a chunk");
        body += &after[..size];
        rest = &after[size + 2..];
    }
    body
}

/// The containers of the recordings: two of a pod, one without facts, and forty of another namespace, for long answers.
fn write_containers(output: &Path, question: &str) {
    let is_asked = |id: &str| question.split(',').any(|asked| asked.rsplit('/').next() == Some(id));
    let node = [
        ("os.txt", "os-release-id=rhel\nos-release-version-id=8.9\n"),
        (
            "runtime-kind.txt",
            "runtime-kind=Node.js\nruntime-kind-version=v22.14.0\n",
        ),
    ];
    let java = [
        ("os.txt", "os-release-id=debian\nos-release-version-id=12\n"),
        (
            "runtime-kind.txt",
            "runtime-kind=Java\nruntime-kind-implementer=AT&T, Inc.\nruntime-kind-version=17.0.7\n",
        ),
        ("java-runtimes-fingerprints.txt", "Quarkus=2.13.8.Final-redhat-00004\n"),
        ("quarkus-fingerprints.txt", "Spring Boot=\n"),
    ];
    let mut pid = 100;
    let mut add = |namespace: &str, id: &str, files: &[(&str, &str)], is_in_all: bool| {
        if (question.is_empty() && is_in_all) || is_asked(id) {
            let info = info(namespace, "web-0", &format!("cri-o://{id}"));
            pid += 1;
            container(
                output,
                &pid.to_string(),
                &[&[("container-info.txt", info.as_str())], files].concat(),
            );
        }
    };
    add("shop", &"a".repeat(64), &node, true);
    add("shop", &"b".repeat(64), &java, true);
    add("infra", &"c".repeat(64), &[], true);
    if question == "many" {
        for number in 0..40 {
            let id = format!("{number:064}");
            let info = info("many", "web-0", &format!("cri-o://{id}"));
            container(
                output,
                &number.to_string(),
                &[&[("container-info.txt", info.as_str())], &node[..]].concat(),
            );
        }
    }
}

/// A node whose extractor answers what an exchange says: the name of a directory is one that it makes and fills.
struct World {
    node: Node,
    answer: Arc<Mutex<String>>,
}

impl World {
    fn new() -> Self {
        let answer = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&answer);
        let node = Node::new(move |root, question, stream| {
            let answer = said.lock().expect("lock").clone();
            if answer == "data/out-42\n\n" {
                let output = root.join("data/out-42");
                fs::create_dir(&output).expect("output directory");
                write_containers(&output, question);
            }
            say(stream, &answer);
        });
        Self { node, answer }
    }

    /// What the exporter says that `ask` reaches, and asks meanwhile.
    fn said(&self, exchange: &Value, ask: impl Fn(&str) -> support::Reply) -> (String, Said) {
        let answer = exchange["extractor"].as_str().unwrap_or_default();
        answer.clone_into(&mut self.answer.lock().expect("lock"));
        self.node.questions.lock().expect("lock").clear();
        let reply = ask(exchange["request"].as_str().expect("a request"));
        assert!(
            self.node.left_over().is_empty(),
            "{}: the directory is removed",
            exchange["name"]
        );
        let reply = format!("{}\r\n\r\n{}", reply.head.replace('\n', "\r\n"), reply.body);
        (reply.clone(), said(&reply, self.node.asked()))
    }
}

fn texts(value: &Value) -> Vec<String> {
    value.as_str().map(str::to_owned).into_iter().collect()
}

/// What the recording holds, with what differs in ours when that is asked for.
fn expected(exchange: &Value, of_ours: bool) -> Said {
    let of = |key: &str| match exchange["ours"].get(key) {
        Some(other) if of_ours => other.clone(),
        _ => exchange[key].clone(),
    };
    said(of("reply").as_str().expect("a reply"), texts(&of("asked")))
}

/// Exchanges with an extractor that is there.
fn with_extractor(exchange: &&Value) -> bool {
    exchange["extractor"].is_string()
}

#[test]
fn our_exporter_says_what_was_recorded() {
    let world = World::new();
    let exchanges = exchanges();
    assert!(exchanges.len() > 40, "the recording is whole");
    for exchange in exchanges.iter().filter(with_extractor) {
        let (_, said) = world.said(exchange, |request| world.node.ask(request));
        assert_eq!(said, expected(exchange, true), "{}", exchange["name"]);
    }
}

#[test]
fn what_differs_in_ours_differs() {
    let mut count = 0;
    for exchange in exchanges().iter().filter(|exchange| exchange["ours"].is_object()) {
        assert_ne!(
            expected(exchange, true),
            expected(exchange, false),
            "{}",
            exchange["name"]
        );
        assert!(exchange["ours"]["why"].is_string(), "{}", exchange["name"]);
        count += 1;
    }
    assert_eq!(count, 7, "as many as there are reasons for");
}

#[test]
fn the_reference_still_says_what_was_recorded() {
    let world = World::new();
    let reference = world.node.reference();
    let mut exchanges = exchanges();
    let is_recording = std::env::var_os("RECORD").is_some();
    for exchange in exchanges
        .iter_mut()
        .filter(|exchange| exchange["extractor"].is_string())
    {
        let (reply, said) = world.said(exchange, |request| ask(reference.address, request));
        if is_recording {
            let date = reply.lines().find_map(|line| line.strip_prefix("Date: "));
            let date = date.unwrap_or_else(|| panic!("no date in {reply}")).to_owned();
            exchange["reply"] = reply.replace(&date, "Sat, 01 Aug 2026 00:00:00 GMT").into();
            exchange["asked"] = said.asked.first().map_or(json!(null), |asked| asked.as_str().into());
        } else {
            assert_eq!(said, expected(exchange, false), "{}", exchange["name"]);
        }
    }
    if is_recording {
        let text = serde_json::to_string_pretty(&exchanges).expect("JSON");
        fs::write(recording(), text + "\n").expect("write the recording");
    }
}

#[test]
fn an_extractor_that_is_not_there_is_reported_alike() {
    let node = Node::without_extractor();
    let reference = node.reference();
    let request = "GET /gather_runtime_info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let [ours, theirs] = [node.ask(request), ask(reference.address, request)].map(|reply| {
        said(
            &format!("{}\r\n\r\n{}", reply.head.replace('\n', "\r\n"), reply.body),
            Vec::new(),
        )
    });
    assert_eq!(ours, theirs);
    assert_eq!(
        theirs.body,
        format!("dial tcp {}: connect: connection refused\n", node.extractor)
    );
}
