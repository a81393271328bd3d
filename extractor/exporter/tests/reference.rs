//! Our exporter and the reference exporter read the same directories: any that follows the file contract gives the same bytes,
//! any other differs by what docs/adr/0012 lists.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use exporter::patterns::{is_container_reference, is_namespace, is_object_name, is_value};
use serde_json::{Map, Value};
use support::random::Random;
use support::{Node, get, output, say, without_detail};

enum Entry {
    File(String),
    Folder,
    Link(&'static str),
}

/// An output directory: its entries by path, folders before what is in them.
type Tree = Vec<(PathBuf, Entry)>;

fn make(tree: &Tree, root: &Path) {
    for (path, entry) in tree {
        let path = root.join(path);
        match entry {
            Entry::File(text) => fs::write(path, text).expect("file"),
            Entry::Folder => fs::create_dir(path).expect("folder"),
            Entry::Link(target) => symlink(target, path).expect("link"),
        }
    }
}

/// Words that files are made of.
struct Words {
    namespaces: &'static [&'static str],
    pods: &'static [&'static str],
    references: &'static [&'static str],
    values: &'static [&'static str],
    names: &'static [&'static str],
}

const A: &str = "cri-o://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "cri-o://bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const C: &str = "containerd://cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";

const PROPER: Words = Words {
    namespaces: &["shop", "infra", ""],
    pods: &["web-0", "db.1", ""],
    references: &[A, B, C],
    values: &[
        "",
        "debian",
        "12",
        "v22.14.0",
        "Python 3.13.2",
        "AT&T, Inc.",
        "go1.21.11 (Red Hat 1.21.11-1.el9_4) X:strictfipsruntime",
    ],
    names: &["Quarkus", "Spring Boot", "Apache Tomcat", "WildFly Full", "C/C++"],
};

const ODD: Words = Words {
    namespaces: &["shop", "../n", "Shop", "a.b", ""],
    pods: &["web-0", "<p>", "a b", ""],
    references: &[A, C, "", "cri-o://a\u{1b}[2J", "-x", "CRI://a", "a,b"],
    values: &[
        "",
        "debian",
        "<script>",
        "\"12\"",
        "a=b",
        "line\u{2028}break",
        "\u{1b}[31mred",
        "käse",
        "a\u{0}b",
        "{}",
        "\u{fffd}",
    ],
    names: &["Quarkus", "", "a \"quoted\" name", "<b>", "naïve"],
};

const FINGERPRINTS: [&str; 5] = [
    "java-runtimes-fingerprints.txt",
    "quarkus-fingerprints.txt",
    "-fingerprints.txt",
    "Zed-fingerprints.txt",
    "é-fingerprints.txt",
];
const OTHER_FILES: [&str; 4] = [
    "fingerprints.txt",
    "x-fingerprints.txt.bak",
    "config.toml",
    "a_fingerprints.txt",
];
const LONG_LINE: usize = 64 * 1024;

/// A line that says `key` is `value`, in one of the ways in which readers understand it.
fn pair(random: &mut Random, key: &str, value: &str) -> String {
    match random.below(6) {
        0 => format!(" {key} = {value} "),
        1 => format!("{key}={value}\r"),
        2 => format!("\t{key}\t=\t{value}"),
        3 => format!("\u{a0}{key}=\u{2003}{value}"),
        _ => format!("{key}={value}"),
    }
}

/// A file of such lines, with some that say nothing in between.
fn properties(random: &mut Random, pairs: &[(&str, &str)]) -> String {
    let mut lines = Vec::new();
    for (key, value) in pairs {
        match random.below(10) {
            0 => lines.push(String::new()),
            1 => lines.push(format!("#{key}=commented")),
            2 => lines.push(format!("  # {key}=commented")),
            3 => lines.push("no pair".to_owned()),
            4 => lines.push(pair(random, key, "overruled")),
            5 => lines.push(format!("# {}", "long ".repeat(random.below(200) as usize))),
            _ => {}
        }
        lines.push(pair(random, key, value));
    }
    if random.below(25) == 0 {
        lines.push("x".repeat(LONG_LINE + random.below(9) as usize));
    }
    let end = random.pick(&["\n", "", "\n\n"]);
    lines.join("\n") + end
}

fn file(tree: &mut Tree, folder: &Path, name: &str, text: String) {
    tree.push((folder.join(name), Entry::File(text)));
}

/// The files of one container, some of them missing.
fn container(random: &mut Random, words: &Words, folder: &Path, tree: &mut Tree) {
    let mut info = vec![
        ("container-id", random.pick(words.references)),
        ("pod-namespace", random.pick(words.namespaces)),
        ("pod-name", random.pick(words.pods)),
    ];
    info.rotate_left(random.below(3) as usize);
    if random.below(8) > 0 {
        let text = properties(random, &info);
        file(tree, folder, "container-info.txt", text);
    }
    let mut keys = vec![
        ("os.txt", &["os-release-id", "os-release-version-id"][..]),
        (
            "runtime-kind.txt",
            &["runtime-kind", "runtime-kind-implementer", "runtime-kind-version"],
        ),
    ];
    keys.retain(|_| random.below(5) > 0);
    for (name, keys) in keys {
        let pairs: Vec<_> = keys.iter().map(|key| (*key, random.pick(words.values))).collect();
        let known = random.below(pairs.len() as u64 + 1) as usize;
        let text = properties(random, &pairs[..known]);
        file(tree, folder, name, text);
    }
    for name in FINGERPRINTS {
        if random.below(3) == 0 {
            let pairs: Vec<_> = (0..random.below(4))
                .map(|_| (random.pick(words.names), random.pick(words.values)))
                .collect();
            let text = properties(random, &pairs);
            file(tree, folder, name, text);
        }
    }
    for name in OTHER_FILES {
        if random.below(6) == 0 {
            file(tree, folder, name, "Quarkus=3\nos-release-id=none\n".to_owned());
        }
    }
    if random.below(6) == 0 {
        tree.push((folder.join("folder-fingerprints.txt"), Entry::Folder));
    }
}

/// An output directory of a few containers, and things that are none.
fn tree(random: &mut Random, words: &Words) -> Tree {
    let mut tree = Tree::new();
    for _ in 0..random.below(7) {
        let folder = PathBuf::from(random.below(1 << 31).to_string());
        if tree.iter().any(|(path, _)| *path == folder) {
            continue;
        }
        tree.push((folder.clone(), Entry::Folder));
        container(random, words, &folder, &mut tree);
        if random.below(5) == 0 {
            tree.push((folder.join("7"), Entry::Folder));
            container(random, words, &folder.join("7"), &mut tree);
        }
    }
    if random.below(3) == 0 {
        tree.push(("1".into(), Entry::File("container-id=a\n".to_owned())));
        tree.push(("2".into(), Entry::Link("1")));
        tree.push(("3".into(), Entry::Link(".")));
    }
    tree
}

/// A node whose extractor answers with the tree that lies in the mutex.
fn node(tree: &Arc<Mutex<Tree>>) -> Node {
    let tree = Arc::clone(tree);
    Node::new(move |root, _, stream| {
        let (out, line) = output(root);
        make(&tree.lock().expect("lock"), &out);
        say(stream, &line);
    })
}

/// The same with the frameworks of each container in order: in the reference's answer those of one file are in none.
fn in_order(body: &str) -> String {
    let mut parts = body.split("\"runtimes\":[");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (runtimes, rest) = part.split_once(']').expect("the end of the frameworks");
        let mut runtimes: Vec<_> = runtimes.trim_matches(['{', '}']).split("},{").collect();
        runtimes.sort_unstable();
        text += &format!("\"runtimes\":[{{{}}}]{rest}", runtimes.join("},{"));
    }
    text
}

#[test]
fn a_directory_that_follows_the_contract_gives_the_same_bytes() {
    let served = Arc::default();
    let node = node(&served);
    let reference = node.reference();
    let mut answered = 0;
    for seed in 0..120 {
        *served.lock().expect("lock") = tree(&mut Random(seed), &PROPER);
        for query in ["", "?hash=false"] {
            let path = format!("/gather_runtime_info{query}");
            let (ours, theirs) = (node.get(&path), get(reference.address, &path));
            assert_eq!((ours.status, theirs.status), (200, 200), "seed {seed}{query}");
            assert_eq!(in_order(&ours.body), in_order(&theirs.body), "seed {seed}{query}");
            assert_eq!(
                ours.body,
                node.get(&path).body,
                "seed {seed}{query}: every time the same"
            );
            answered += usize::from(ours.body != "{}");
        }
        let detailed = node.get("/gather_runtime_info?detail=true").body;
        assert_eq!(
            without_detail(&detailed),
            node.get("/gather_runtime_info").body,
            "seed {seed}: detail changes no byte of the rest"
        );
    }
    assert!(answered > 170, "most directories hold something: {answered}");
    assert!(node.left_over().is_empty(), "both remove what they have read");
}

/// What our exporter leaves out of an answer: values, frameworks and containers that do not have the form of such things.
fn without_odd(answer: Value) -> Value {
    let mut kept = Map::new();
    for (namespace, pods) in object(answer) {
        for (pod, containers) in object(pods) {
            for (reference, container) in object(containers) {
                if is_namespace(&namespace) && is_object_name(&pod) && is_container_reference(&reference) {
                    let pods = kept.entry(&namespace).or_insert_with(|| Map::new().into());
                    pods[&pod][&reference] = without_odd_values(container);
                }
            }
        }
    }
    kept.into()
}

fn without_odd_values(container: Value) -> Value {
    let is_good = |value: &Value| value.as_str().is_some_and(is_value);
    let mut kept = Map::new();
    for (key, value) in object(container) {
        let Value::Array(runtimes) = value else {
            if is_good(&value) {
                kept.insert(key, value);
            }
            continue;
        };
        let mut runtimes: Vec<_> = runtimes
            .into_iter()
            .map(object)
            .filter(|runtime| runtime.get("name").is_some_and(is_good))
            .collect();
        for runtime in &mut runtimes {
            runtime.retain(|_, value| is_good(value));
        }
        runtimes.sort_by_key(|runtime| runtime["name"].to_string());
        if !runtimes.is_empty() {
            kept.insert(key, runtimes.into());
        }
    }
    kept.into()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("no object: {other}"),
    }
}

/// The same tree with one file of each name at most once in a container, so that frameworks have one order.
fn with_one_file_of_frameworks(mut tree: Tree) -> Tree {
    tree.retain(|(path, _)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name == FINGERPRINTS[0] || !FINGERPRINTS.contains(&name.as_str())
    });
    tree
}

#[test]
fn a_directory_with_odd_text_differs_only_by_what_is_left_out() {
    let served = Arc::default();
    let node = node(&served);
    let reference = node.reference();
    let mut differed = 0;
    for seed in 1000..1120 {
        *served.lock().expect("lock") = with_one_file_of_frameworks(tree(&mut Random(seed), &ODD));
        let path = "/gather_runtime_info?hash=false";
        let [ours, theirs] = [node.get(path), get(reference.address, path)].map(|reply| {
            assert_eq!(reply.status, 200, "seed {seed}");
            serde_json::from_str::<Value>(&reply.body).expect("JSON")
        });
        differed += usize::from(ours != theirs);
        assert_eq!(ours, without_odd(theirs), "seed {seed}");
    }
    assert!(differed > 50, "most directories hold something odd: {differed}");
}

#[test]
fn what_is_refused_counts_as_missing() {
    let served = Arc::default();
    let node = node(&served);
    let reference = node.reference();
    let path = "/gather_runtime_info?hash=false";
    for seed in 2000..2080 {
        let mut tree = tree(&mut Random(seed), &PROPER);
        let mut kept = Vec::new();
        let random = &mut Random(seed);
        for (path, entry) in &mut tree {
            let is_file = matches!(entry, Entry::File(_)) && path.components().count() == 2;
            if is_file && random.below(4) == 0 {
                // A link to something that reads well, or lines of a megabyte in all.
                *entry = match random.below(2) {
                    0 => Entry::Link("/etc/os-release"),
                    _ => Entry::File("Quarkus=1\nos-release-id=none\ncontainer-id=a\n".repeat(25_000)),
                };
            } else {
                kept.push((
                    path.clone(),
                    match entry {
                        Entry::File(text) => Entry::File(text.clone()),
                        Entry::Folder => Entry::Folder,
                        Entry::Link(target) => Entry::Link(target),
                    },
                ));
            }
        }
        *served.lock().expect("lock") = tree;
        let ours = node.get(path).body;
        *served.lock().expect("lock") = kept;
        assert_eq!(
            in_order(&ours),
            in_order(&get(reference.address, path).body),
            "seed {seed}"
        );
    }
}
