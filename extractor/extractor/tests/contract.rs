//! What callers of the existing extractor rely on: the text on port 3000, and the output directory, byte for byte.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use support::{Container, Extractor, Folder, Spec, output, program};

const GROUP: u32 = 2000;

fn spec<'a>(name: &'a str, command: &'a str) -> Spec<'a> {
    Spec {
        name,
        uid: 1000,
        command,
        ..Spec::default()
    }
}

/// What is answered, or else differs in ours.
enum Ours {
    Same,
    Answers(&'static [&'static str], &'static str),
}
use Ours::{Answers, Same};

#[test]
fn requests_and_replies() {
    let folder = Folder::new();
    let [a, b] = ["a", "b"].map(|name| Container::start(&folder, &spec(name, "sleep 1000")));
    let extractor = Extractor::start(&folder, &[]);
    let unknown = "f".repeat(64);
    let full = |text: &str| {
        let text = text.replace("<a>", &a.id).replace("<b>", &b.id);
        text.replace("<f>", &unknown)
    };
    const BOTH: Option<&[&str]> = Some(&["cri-o://<a>", "cri-o://<b>"]);
    const NONE: Option<&[&str]> = Some(&[]);
    let long = format!("<a>,{}", "cri-o://<f>,".repeat(2_500));
    let too_long = "<f>,".repeat(20_000);
    // What the existing one answers: the containers in a directory; none: the connection is closed without a byte.
    type Row<'a> = (&'a str, &'a str, Option<&'a [&'a str]>, Ours);
    let rows: &[Row] = &[
        ("nothing", "", BOTH, Same),
        ("white space", " \r\n\t", BOTH, Same),
        ("a bare ID", "<a>", Some(&["cri-o://<a>"]), Same),
        ("CRI-O's prefix", "cri-o://<a>", Some(&["cri-o://<a>"]), Same),
        (
            "several, white space, nothing in between",
            " cri-o://<a> ,, <b>,\n",
            BOTH,
            Same,
        ),
        ("the same twice", "<a>,cri-o://<a>", Some(&["cri-o://<a>"]), Same),
        ("an unknown one", "cri-o://<f>", NONE, Same),
        (
            "an unknown one beside a known one",
            "<f>,<b>",
            Some(&["cri-o://<b>"]),
            Same,
        ),
        ("a part of an ID", "0123456789abcdef", NONE, Same),
        (
            "the prefix of another engine",
            "containerd://<a>",
            NONE,
            Answers(&["containerd://<a>"], "an answer has the reference of the pod's status"),
        ),
        (
            "only commas",
            ",,",
            BOTH,
            Answers(&[], "who names nothing must not cause the most expensive scan"),
        ),
        (
            "more than fits into an argument of a program",
            &long,
            None,
            Answers(&["cri-o://<a>"], "no program is started, and 8000 references fit"),
        ),
        ("more than a megabyte", &too_long, None, Same),
    ];
    for (name, request, theirs, ours) in rows {
        let expected = match ours {
            Same => *theirs,
            Answers(containers, reason) => {
                assert_ne!(Some(*containers), *theirs, "{name}: {reason}");
                Some(*containers)
            }
        };
        let request = full(request);
        let Some(expected) = expected else {
            assert_eq!(extractor.send(request.as_bytes()), b"", "{name}");
            continue;
        };
        let reply = String::from_utf8(extractor.send(request.as_bytes())).expect("text");
        let digits = reply
            .strip_prefix("data/out-")
            .and_then(|rest| rest.strip_suffix("\n\n"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        assert!(
            digits.is_some_and(is_number),
            "{name}: one relative path, and an empty line: {reply:?}"
        );
        let mut expected: Vec<_> = expected.iter().map(|text| full(text)).collect();
        expected.sort();
        assert_eq!(
            extractor.ask(&request).into_keys().collect::<Vec<_>>(),
            expected,
            "{name}"
        );
    }
    assert_eq!(extractor.send(b"cri-o://\xff"), b"", "not UTF-8");
}

#[test]
fn the_output_directory_has_the_bytes_that_its_readers_expect() {
    let folder = Folder::new();
    let data = folder.0.join("data");
    chown(&data, None, Some(GROUP)).expect("group");
    fs::set_permissions(&data, Permissions::from_mode(0o2777)).expect("mode");
    let node = program("node");
    let system = "mount -t tmpfs tmpfs $ROOT/etc; printf 'NAME=\"Red Hat\"\\nVERSION_ID=\"8.9\"\\nID=\"rhel\"\\n' > $ROOT/etc/os-release";
    let command = format!("{} -e \"setInterval(() => {{}}, 1000)\"", node.display());
    let container = Container::start(
        &folder,
        &Spec {
            setup: system,
            ..spec("web-0", &command)
        },
    );
    container.wait_for(&node);
    let extractor = Extractor::start(&folder, &[]);
    let reply = String::from_utf8(extractor.send(container.id.as_bytes())).expect("text");
    let path = folder.0.join(reply.trim());
    let pid = container.pids()[0].to_string();
    let folders: Vec<_> = fs::read_dir(&path)
        .expect("list")
        .map(|entry| entry.expect("entry").file_name())
        .collect();
    assert_eq!(
        folders,
        [pid.as_str()],
        "a directory per container, named after its process"
    );
    for folder in [&path, &path.join(&pid)] {
        let status = fs::metadata(folder).expect("status");
        assert_eq!(
            (status.mode() & 0o7777, status.gid()),
            (0o2770, GROUP),
            "{}",
            folder.display()
        );
    }
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(path.join(&pid)).expect("list") {
        let entry = entry.expect("entry");
        let status = entry.metadata().expect("status");
        assert_eq!(
            (status.mode() & 0o7777, status.gid()),
            (0o640, GROUP),
            "{:?}",
            entry.path()
        );
        let name = entry.file_name().into_string().expect("text");
        if !name.starts_with("detail-") {
            files.insert(name, fs::read_to_string(entry.path()).expect("text"));
        }
    }
    let expected = [
        (
            "container-info.txt",
            format!(
                "container-id=cri-o://{}\ncontainer-name=app\npod-name=web-0\npod-namespace=test\n",
                container.id
            ),
        ),
        ("os.txt", "os-release-id=rhel\nos-release-version-id=8.9\n".to_owned()),
        (
            "runtime-kind.txt",
            format!(
                "runtime-kind=Node.js\nruntime-kind-version={}\n",
                output(&node, &["--version"])
            ),
        ),
        ("runtimes-fingerprints.txt", String::new()),
    ];
    assert_eq!(files, expected.map(|(name, text)| (name.to_owned(), text)).into());
}
