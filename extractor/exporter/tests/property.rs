//! Any directory that follows the contract gives the reply that the contract describes.

mod support;

use std::collections::BTreeMap;

use exporter::hash::hash;
use serde_json::{Map, Value, json};
use support::random::Random;
use support::{Node, container, info, output, say, without_detail};

const OS: [&str; 4] = ["", "debian", "rhel", "alpine"];
const VERSIONS: [&str; 5] = ["", "12", "v22.14.0", "Python 3.13.2", "2.13.8.Final-redhat-00004"];
const KINDS: [&str; 5] = ["", "Java", "Node.js", "Golang", "GraalVM"];
const MAKERS: [&str; 4] = ["", "Red Hat, Inc.", "AT&T", "Eclipse Adoptium"];
const FRAMEWORKS: [&str; 4] = ["Quarkus", "Spring Boot", "Apache Tomcat", "WildFly"];
const ROLES: [&str; 5] = ["main", "init", "helper", "sidecar", "other"];

#[derive(Clone, Default)]
struct Facts {
    os: [String; 2],
    kind: [String; 3],
    runtimes: Vec<(String, String)>,
}

impl Facts {
    /// Runtime info as JSON, empty fields left out.
    fn json(&self, shown: impl Fn(&str) -> String) -> Map<String, Value> {
        let mut map = Map::new();
        let names = ["os", "osVersion", "kind", "kindVersion", "kindImplementer"];
        for (name, value) in names.into_iter().zip(self.os.iter().chain(&self.kind)) {
            if !value.is_empty() {
                map.insert(name.into(), shown(value).into());
            }
        }
        let runtimes: Vec<Value> = self
            .runtimes
            .iter()
            .map(|(name, version)| {
                let mut runtime = json!({ "name": shown(name) });
                if !version.is_empty() {
                    runtime["version"] = shown(version).into();
                }
                runtime
            })
            .collect();
        if !runtimes.is_empty() {
            map.insert("runtimes".into(), runtimes.into());
        }
        map
    }
}

/// Files as the existing project writes them, and what they say.
fn existing_files(random: &mut Random) -> (Vec<(String, String)>, Facts) {
    let mut facts = Facts::default();
    let mut files = Vec::new();
    if random.below(4) > 0 {
        facts.os = [random.pick(&OS).to_owned(), random.pick(&VERSIONS).to_owned()];
        let lines = format!("os-release-id={}\nos-release-version-id={}\n", facts.os[0], facts.os[1]);
        files.push(("os.txt".to_owned(), lines));
    }
    if random.below(4) > 0 {
        facts.kind = [random.pick(&KINDS), random.pick(&VERSIONS), random.pick(&MAKERS)].map(str::to_owned);
        let [kind, version, maker] = &facts.kind;
        let lines = format!("runtime-kind={kind}\nruntime-kind-implementer={maker}\nruntime-kind-version={version}\n");
        files.push(("runtime-kind.txt".to_owned(), lines));
    }
    for name in ["java-runtimes-fingerprints.txt", "quarkus-fingerprints.txt"] {
        let mut pairs = BTreeMap::new();
        for _ in 0..random.below(3) {
            pairs.insert(random.pick(&FRAMEWORKS), random.pick(&VERSIONS));
        }
        let lines = pairs
            .iter()
            .rev()
            .map(|(name, version)| format!("{name}={version}\n"))
            .collect();
        files.push((name.to_owned(), lines));
        facts.runtimes.extend(
            pairs
                .into_iter()
                .map(|(name, version)| (name.to_owned(), version.to_owned())),
        );
    }
    (files, facts)
}

/// Detail files of up to four users, and what they say about the container.
fn detail_files(random: &mut Random) -> (Vec<(String, String)>, Facts) {
    let mut files = Vec::new();
    let mut os = None;
    let mut mains = Vec::new();
    let mut pid = 100 + random.below(100);
    for user in 0..=random.below(4) {
        let mut lines = String::new();
        if random.below(2) > 0 {
            let found = [random.pick(&OS).to_owned(), random.pick(&VERSIONS).to_owned()];
            lines += &format!("os\t{}\t{}\t/etc/os-release\n", found[0], found[1]);
            os.get_or_insert(found);
        }
        let mut has_main = false;
        for _ in 0..random.below(4) {
            pid += 1;
            let role = random.pick(if has_main { &ROLES[1..] } else { &ROLES });
            let kind = [random.pick(&KINDS), random.pick(&VERSIONS), random.pick(&MAKERS)].map(str::to_owned);
            let start = random.below(5);
            lines += &format!(
                "process\t{pid}\t{start}\t{role}\t{}\t{}\t{}\texe <\u{e9}>\t\n",
                kind[0], kind[1], kind[2]
            );
            let mut runtimes = Vec::new();
            for _ in 0..random.below(3) {
                let found = (random.pick(&FRAMEWORKS).to_owned(), random.pick(&VERSIONS).to_owned());
                lines += &format!("runtime\t{pid}\t{}\t{}\ta.jar\tanswer\n", found.0, found.1);
                runtimes.push(found);
            }
            runtimes.sort();
            runtimes.dedup();
            if role == "main" {
                has_main = true;
                mains.push(((kind[0].is_empty(), start, pid), kind, runtimes));
            }
        }
        if random.below(3) == 0 || lines.is_empty() {
            lines += "note\tkind\tunversioned\tno version found\n";
        }
        // Uids of one length, so that their order is that of the names.
        files.push((format!("detail-{}.txt", 1000 + user), lines));
    }
    let mut facts = Facts {
        os: os.unwrap_or_default(),
        ..Facts::default()
    };
    if let Some((_, kind, runtimes)) = mains.into_iter().min_by_key(|(rank, ..)| *rank) {
        facts.kind = kind;
        facts.runtimes = runtimes;
    }
    (files, facts)
}

#[test]
fn the_reply_says_what_the_files_say() {
    for seed in 0..60 {
        let random = &mut Random(seed);
        let mut containers = Vec::new();
        let mut hashed = json!({});
        let mut clear = json!({});
        for number in 0..random.below(8) {
            let namespace = random.pick(&["shop", "infra", ""]).to_owned();
            let pod = random.pick(&["web-0", "db.1", ""]).to_owned();
            let reference = format!("containerd://{number:064x}");
            let (mut files, facts) = if random.below(2) == 0 {
                existing_files(random)
            } else {
                detail_files(random)
            };
            files.push(("container-info.txt".to_owned(), info(&namespace, &pod, &reference)));
            hashed[&namespace][&pod][&reference] = facts.json(hash).into();
            clear[&namespace][&pod][&reference] = facts.json(str::to_owned).into();
            containers.push((format!("{}", 4000 - number), files));
        }
        let node = Node::new(move |root, _, stream| {
            let (out, line) = output(root);
            for (pid, files) in &containers {
                let files: Vec<_> = files
                    .iter()
                    .map(|(name, text)| (name.as_str(), text.as_str()))
                    .collect();
                container(&out, pid, &files);
            }
            say(stream, &line);
        });
        let ask = |query: &str| -> Value {
            let reply = node.get(&format!("/gather_runtime_info{query}"));
            assert_eq!(reply.status, 200, "seed {seed}");
            serde_json::from_str(&reply.body).expect("JSON")
        };
        assert_eq!(ask(""), hashed, "seed {seed}, hashed");
        assert_eq!(ask("?hash=false"), clear, "seed {seed}, clear text");
        let mut detailed = ask("?detail=true");
        for pods in detailed.as_object_mut().into_iter().flat_map(Map::values_mut) {
            for containers in pods.as_object_mut().into_iter().flat_map(Map::values_mut) {
                for (reference, container) in containers.as_object_mut().into_iter().flatten() {
                    let detail = container.as_object_mut().and_then(|map| map.remove("detail"));
                    let detail = detail.unwrap_or_else(|| panic!("seed {seed}: no detail of {reference}"));
                    assert!(
                        detail["processes"].is_array() && detail["notes"].is_array(),
                        "seed {seed}: {detail}"
                    );
                    let plain = clear.as_object().into_iter().flat_map(Map::values);
                    let mut plain = plain.flat_map(|pods| pods.as_object().into_iter().flat_map(Map::values));
                    let same = plain.find_map(|containers| containers.get(reference));
                    assert_eq!(
                        Some(&detail["runtimeInfo"]),
                        same,
                        "seed {seed}: clear text of {reference}"
                    );
                }
            }
        }
        assert_eq!(
            detailed, hashed,
            "seed {seed}: detail is one more key and changes nothing else"
        );
        let bytes = |query: &str| node.get(&format!("/gather_runtime_info{query}")).body;
        assert_eq!(bytes(""), bytes(""), "seed {seed}: equal facts give equal bytes");
        for (plain, with_detail) in [("", "?detail=true"), ("?hash=false", "?hash=false&detail=true")] {
            assert_eq!(
                without_detail(&bytes(with_detail)),
                bytes(plain),
                "seed {seed}: detail changes no byte of the rest"
            );
        }
    }
}
