//! Our exporter in front of an extractor that writes as upstream's does, and as the user that it is on a node: not root.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use support::exporters::Exporter;
use support::{Node, ask, info, say};

/// The exporter's user, and the group of the volume.
const USER: u32 = 65532;
const GROUP: u32 = 2000;
/// A container's user.
const APP: u32 = 1_000_650_000;

/// A folder of root's that everybody may write in, whatever this process's mask is.
fn open_folder(path: &Path) {
    fs::create_dir(path).expect("folder");
    fs::set_permissions(path, Permissions::from_mode(0o777)).expect("mode");
}

fn file(path: &Path, text: &str, owner: u32) {
    fs::write(path, text).expect("file");
    fs::set_permissions(path, Permissions::from_mode(0o644)).expect("mode");
    chown(path, Some(owner), Some(owner)).expect("owner");
}

/// What upstream's extractor leaves for a Java container of a user: the facts are the user's, the rest is root's.
fn write_container(output: &Path) {
    let folder = output.join("4711");
    open_folder(&folder);
    let reference = format!("cri-o://{}", "a".repeat(64));
    file(
        &folder.join("container-info.txt"),
        &info("shop", "web-0", &reference),
        0,
    );
    file(
        &folder.join("config.toml"),
        "[[fingerprints.java]]\nruntime-name = \"Quarkus\"\n",
        0,
    );
    file(
        &folder.join("os.txt"),
        "os-release-id=rhel\nos-release-version-id=8.9\n",
        APP,
    );
    let kind = "runtime-kind=Java\nruntime-kind-implementer=Red Hat, Inc.\nruntime-kind-version=17.0.13\n";
    file(&folder.join("runtime-kind.txt"), kind, APP);
    file(&folder.join("java-runtimes-fingerprints.txt"), "", APP);
    file(
        &folder.join("java-jboss-modules-fingerprints.txt"),
        "WildFly Full=31.0.1.Final\n=\n",
        APP,
    );
}

#[test]
fn what_upstreams_extractor_writes_is_answered_and_removed() {
    let uid = fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own));
    assert_eq!(
        uid.expect("own user"),
        0,
        "this test becomes another user: run it as root"
    );
    let node = Node::new(|root, question, stream| {
        // Its names are the nanoseconds within a second; it knows no prefix but CRI-O's and answers none but that.
        let output = root.join("data/out-81234567");
        open_folder(&output);
        let id = question.strip_prefix("cri-o://").unwrap_or(question);
        if question.is_empty() || id == "a".repeat(64) {
            write_container(&output);
        }
        say(stream, "data/out-81234567\n\n");
    });
    let data = node.root.path().join("data");
    // As the kubelet hands out a volume with an fsGroup.
    chown(&data, None, Some(GROUP)).expect("group");
    fs::set_permissions(&data, Permissions::from_mode(0o2777)).expect("mode");
    fs::set_permissions(node.root.path(), Permissions::from_mode(0o755)).expect("mode");
    let program = Path::new(env!("CARGO_BIN_EXE_exporter"));
    let exporter = Exporter::start(program, node.extractor, node.root.path(), Some((USER, GROUP)));
    let known = format!(
        "{{\"shop\":{{\"web-0\":{{\"cri-o://{}\":{{\"os\":\"rhel\",\"osVersion\":\"8.9\",\"kind\":\"Java\",\
         \"kindVersion\":\"17.0.13\",\"kindImplementer\":\"Red Hat, Inc.\",\
         \"runtimes\":[{{\"name\":\"WildFly Full\",\"version\":\"31.0.1.Final\"}}]}}}}}}}}",
        "a".repeat(64)
    );
    let a = "a".repeat(64);
    for (name, ids, expected) in [
        ("everything", None, known.as_str()),
        ("a bare ID", Some(a.clone()), &known),
        ("CRI-O's prefix", Some(format!("cri-o://{a}")), &known),
        ("another prefix", Some(format!("containerd://{a}")), "{}"),
        ("an unknown ID", Some("f".repeat(64)), "{}"),
    ] {
        let (method, body) = match ids {
            None => ("GET", String::new()),
            Some(id) => ("POST", format!("{{\"containerIds\":[\"{id}\"]}}")),
        };
        let reply = ask(
            exporter.address,
            &format!(
                "{method} /gather_runtime_info?hash=false HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        assert_eq!((reply.status, reply.body.as_str()), (200, expected), "{name}");
        assert!(node.left_over().is_empty(), "{name}: the directory is removed");
    }
}
