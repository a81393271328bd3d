//! Our extractor behind either exporter, each as the unprivileged user that it is on a node, over the same containers.

#[path = "../../interop/exporters.rs"]
mod exporters;
mod support;

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use exporters::{Exporter, reference_program};
use support::{Container, Extractor, Folder, Spec, program, wait_until};

/// The exporters' user and group, and the mode of the volume, which has that group.
struct Volume {
    user: (u32, u32),
    mode: u32,
}

/// As the kubelet hands out a volume with an fsGroup.
const OF_A_GROUP: Volume = Volume {
    user: (65532, 2000),
    mode: 0o2777,
};
/// And without one. OpenShift runs who does not say otherwise as a user of the namespace's own, in the group of root.
const OF_ROOT: Volume = Volume {
    user: (1_000_650_000, 0),
    mode: 0o777,
};

/// Our exporter, which lies beside the test's own folder once it is built.
fn own_program() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--locked",
            "--quiet",
            "--package",
            "exporter",
            "--bin",
            "exporter",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.expect("run cargo").success());
    let test = std::env::current_exe().expect("path");
    let folder = test
        .parent()
        .and_then(Path::parent)
        .expect("the folder of the programs");
    folder.join("exporter")
}

/// A node with both exporters in front of one extractor.
struct Node {
    ours: Exporter,
    reference: Exporter,
    // The last to go.
    _extractor: Extractor,
    folder: Folder,
}

impl Node {
    fn new(volume: &Volume) -> Self {
        let folder = Folder::new();
        let data = folder.0.join("data");
        chown(&data, None, Some(volume.user.1)).expect("group");
        fs::set_permissions(&data, Permissions::from_mode(volume.mode)).expect("mode");
        let extractor = Extractor::start(&folder, &[]);
        let address = SocketAddr::from(([127, 0, 0, 1], extractor.port));
        let start = |program: &Path| Exporter::start(program, address, &folder.0, Some(volume.user));
        let (ours, reference) = (start(&own_program()), start(reference_program()));
        Self {
            ours,
            reference,
            _extractor: extractor,
            folder,
        }
    }

    /// What both answer, which must be the same, and leave nothing behind.
    fn answer(&self, name: &str, query: &str, ids: Option<&str>) -> String {
        let [ours, reference] = [&self.ours, &self.reference].map(|exporter| post(exporter.address, query, ids));
        assert_eq!(ours, reference, "{name}");
        let is_removed = || fs::read_dir(self.folder.0.join("data")).expect("list").count() == 0;
        wait_until("both have removed what they read", is_removed);
        ours
    }
}

/// The body for a POST of a list in JSON; without one, for a GET.
fn post(exporter: SocketAddr, query: &str, ids: Option<&str>) -> String {
    let method = if ids.is_some() { "POST" } else { "GET" };
    let body = ids.map_or(String::new(), |ids| format!("{{\"containerIds\":{ids}}}"));
    let request = format!(
        "{method} /gather_runtime_info{query} HTTP/1.0\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(exporter).expect("connect");
    stream.write_all(request.as_bytes()).expect("send");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).expect("a reply");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains(" 200 OK\r\n"), "{reply}");
    body.to_owned()
}

fn os_release() -> String {
    let text = fs::read_to_string("/etc/os-release").expect("read");
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    format!("\"os\":\"{}\",\"osVersion\":\"{}\"", value("ID"), value("VERSION_ID"))
}

#[test]
fn either_exporter_answers_the_same_for_every_form_of_a_request() {
    let node = Node::new(&OF_A_GROUP);
    let command = format!("{} -e \"setInterval(() => {{}}, 1000)\"", program("node").display());
    let spec = |name, command| Spec {
        name,
        uid: 1000,
        command,
        ..Spec::default()
    };
    let web = Container::start(&node.folder, &spec("web", &command));
    let idle = Container::start(&node.folder, &spec("idle", "sleep 1000"));
    web.wait_for(&program("node"));
    let version = support::output(&program("node"), &["--version"]);
    let of_web = |reference: &str| {
        format!(
            "{{\"test\":{{\"web\":{{\"{reference}\":{{{},\"kind\":\"Node.js\",\"kindVersion\":\"{version}\"}}}}}}}}",
            os_release()
        )
    };
    let (id, unknown) = (&web.id, "f".repeat(64));
    let crio = of_web(&format!("cri-o://{id}"));
    for (name, ids, expected) in [
        ("bare", format!("[\"{id}\"]"), crio.clone()),
        ("CRI-O's prefix", format!("[\"cri-o://{id}\"]"), crio.clone()),
        (
            "containerd's prefix",
            format!("[\"containerd://{id}\"]"),
            of_web(&format!("containerd://{id}")),
        ),
        (
            "Docker's prefix",
            format!("[\"docker://{id}\"]"),
            of_web(&format!("docker://{id}")),
        ),
        ("twice", format!("[\"{id}\",\"cri-o://{id}\"]"), crio.clone()),
        ("white space", format!("[\" {id} \"]"), crio.clone()),
        (
            "beside an unknown one",
            format!("[\"cri-o://{unknown}\",\"{id}\"]"),
            crio.clone(),
        ),
        ("unknown", format!("[\"{unknown}\"]"), "{}".to_owned()),
        ("no ID", "[\"--help\"]".to_owned(), "{}".to_owned()),
        ("a path", "[\"../../etc\"]".to_owned(), "{}".to_owned()),
    ] {
        assert_eq!(node.answer(name, "?hash=false", Some(&ids)), expected, "{name}");
    }
    let all = node.answer("everything, in clear text", "?hash=false", None);
    assert!(all.contains("\"idle\":") && all.contains("\"web\":"), "{all}");
    let hashed = node.answer("everything", "", None);
    assert!(
        !hashed.contains("Node.js") && hashed.contains("H8DHhTMugPuT"),
        "{hashed}"
    );
    assert_eq!(hashed, node.answer("an odd value of hash", "?hash=true", None));
    assert_eq!(all, node.answer("an odd value of hash", "?hash=1", None));
    drop(idle);
    let left = node.answer("everything that is left", "?hash=false", None);
    assert_eq!(left, crio);
}

#[test]
fn either_exporter_sees_the_application_of_a_container_with_several_users() {
    let node = Node::new(&OF_ROOT);
    let as_user = |uid: u32, command: &str| format!("setpriv --reuid {uid} --regid {uid} --clear-groups {command}");
    let app = format!("{} -e \"setInterval(() => {{}}, 1000)\"", program("node").display());
    let rows = [
        // Init and helpers are root's, the program another user's.
        ("init", format!("{} & wait", as_user(1234, &app)), 2),
        // A user in between has nothing that is recognised.
        (
            "between",
            format!("{} & {} & wait", as_user(7, "sleep 1000"), as_user(1234, &app)),
            3,
        ),
        // The last user's program is no platform; the first answer stays.
        (
            "last",
            format!("{} & {} & wait", as_user(1234, &app), as_user(7, "sleep 1000")),
            3,
        ),
        // The first user's program is no more than compiled.
        (
            "compiled",
            format!("strace -o /dev/null sleep 1000 & {} & wait", as_user(1234, &app)),
            4,
        ),
    ];
    for (name, script, processes) in rows {
        let container = Container::start(
            &node.folder,
            &Spec {
                name,
                command: &format!("sh -c '{script}'"),
                ..Spec::default()
            },
        );
        container.wait_for(&program("node"));
        wait_until("all users run something", || container.pids().len() == processes);
        let ids = format!("[\"{}\"]", container.id);
        let answer = node.answer(name, "?hash=false", Some(&ids));
        assert!(answer.contains("\"kind\":\"Node.js\""), "{name}: {answer}");
    }
}
