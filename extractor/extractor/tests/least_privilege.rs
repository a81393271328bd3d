//! The extractor with nothing but what `securityProfile: LeastPrivilege` gives it.

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use support::{Answer, Container, Extractor, Folder, PROGRAM, Spec, program, status};

/// As `setpriv` writes them; the same as in the manifests and in src/core.
const CAPABILITIES: [&str; 8] = [
    "dac_read_search",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "sys_chroot",
    "sys_ptrace",
    "sys_admin",
];

/// Runs what follows with these capabilities only, as a member of the group that owns the volume.
fn confined(capabilities: &[&str]) -> Vec<String> {
    let bounding = capabilities
        .iter()
        .fold("-all".to_owned(), |all, name| format!("{all},+{name}"));
    [
        "setpriv",
        "--bounding-set",
        &bounding,
        "--inh-caps=-all",
        "--clear-groups",
        "--",
    ]
    .map(str::to_owned)
    .to_vec()
}

fn start(folder: &Folder, capabilities: &[&str]) -> Extractor {
    let by = confined(capabilities);
    Extractor::start_as(folder, &by.iter().map(String::as_str).collect::<Vec<_>>(), &[])
}

/// Containers of root, of another user, of several, with users of their own, and with a program that only its owner may read.
fn containers(folder: &Folder) -> Vec<Container> {
    let node = program("node");
    let private = format!(
        "cp {} $ROOT/opt/private; chown 1000 $ROOT/opt/private; chmod 700 $ROOT/opt/private",
        node.display()
    );
    let waiting = format!("{} -e 'setInterval(() => {{}}, 1000)'", node.display());
    let several = format!(
        "sh -c 'setpriv --reuid 1234 --regid 1234 --clear-groups {} & wait'",
        waiting.replace('\'', "\"")
    );
    let rows: [(&str, u32, &str, &str, bool); 5] = [
        ("root", 0, "", &waiting, false),
        ("user", 1000, "", &waiting, false),
        ("several", 0, "", &several, false),
        ("mapped", 0, "", &waiting, true),
        (
            "private",
            1000,
            &private,
            "/opt/private -e 'setInterval(() => {}, 1000)'",
            false,
        ),
    ];
    rows.into_iter()
        .map(|(name, uid, setup, command, has_users)| {
            Container::start(
                folder,
                &Spec {
                    name,
                    uid,
                    setup,
                    command,
                    has_users,
                    ..Spec::default()
                },
            )
        })
        .collect()
}

fn by_pod(answers: BTreeMap<String, Answer>) -> BTreeMap<String, BTreeMap<String, String>> {
    let pairs = answers
        .into_values()
        .map(|answer| (answer.value("pod-name").to_owned(), answer.values));
    pairs.collect()
}

#[test]
fn with_the_least_privilege_every_answer_is_the_same() {
    let folder = Folder::new();
    let containers = containers(&folder);
    let node = program("node");
    containers[2].wait_for(&node);
    let whole = by_pod(Extractor::start(&folder, &[]).ask(""));
    for (pod, values) in &whole {
        assert_eq!(values.get("runtime-kind").map(String::as_str), Some("Node.js"), "{pod}");
    }
    let extractor = start(&folder, &CAPABILITIES);
    let own = status(extractor.pid()).expect("status");
    for (set, expected) in [
        ("CapEff", "00000000002c01e4"),
        ("CapPrm", "00000000002c01e4"),
        ("CapInh", "0000000000000000"),
        // Given up by itself: nothing that it could execute would get them back.
        ("CapBnd", "0000000000000000"),
        ("NoNewPrivs", "1"),
    ] {
        assert_eq!(own[set], expected, "{set}");
    }
    assert_eq!(by_pod(extractor.ask("")), whole);
}

#[test]
fn without_any_one_of_them_it_says_which_is_missing_and_does_not_start() {
    for without in CAPABILITIES {
        let rest: Vec<_> = CAPABILITIES.into_iter().filter(|name| *name != without).collect();
        let by = confined(&rest);
        let ended = Command::new(&by[0]).args(&by[1..]).arg(PROGRAM).output().expect("run");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(1), "{without}: {said}");
        assert!(
            said.ends_with(&format!("missing: {}\n", without.to_uppercase())),
            "{without}: {said}"
        );
    }
}
