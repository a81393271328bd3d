//! What a container that does its worst while it is looked at gets out of the child, and what the extractor still does.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Answer, Container, Extractor, Folder, Spec, program, slow_program, wait_until};

/// Looks at every process that appears beside it, as fast as it can, and notes what it finds: privileges, and ways
/// through an open directory to a process of the host.
const SPY: &str = r#"
import os, sys
host = sys.argv[1]
own, loot, seen = os.getpid(), set(), set()
def note(line):
    if line not in loot:
        loot.add(line)
        with open("/tmp/loot", "a") as file: file.write(line + "\n")
while True:
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == own: continue
        if len(seen) < 1: note("seen")
        seen.add(pid)
        try:
            for line in open(f"/proc/{pid}/status"):
                if line[:6] in ("CapPrm", "CapEff", "CapBnd") and int(line.split()[1], 16): note("privileged " + line.strip())
            for fd in os.listdir(f"/proc/{pid}/fd"):
                os.readlink(f"/proc/{pid}/fd/{fd}")
                note("descriptors")
                for up in ("", "/..", "/../.."):
                    if os.path.exists(f"/proc/{pid}/fd/{fd}{up}/{host}/stat"): note("host's processes through a descriptor")
        except OSError: pass
"#;

fn spy(name: &'static str, more_capabilities: &'static str, uid: u32) -> String {
    let folder = Folder::new();
    let script = folder.0.join("spy.py");
    fs::write(&script, SPY).expect("write");
    let setup = format!("cp {} $ROOT/opt/spy.py; chmod 755 $ROOT/opt/spy.py", script.display());
    let command = format!("{} -S /opt/spy.py {}", program("python3").display(), std::process::id());
    let container = Container::start(
        &folder,
        &Spec {
            name,
            uid,
            setup: &setup,
            command: &command,
            more_capabilities,
            ..Spec::default()
        },
    );
    let extractor = Extractor::start(&folder, &[]);
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        let _ = extractor.ask(&container.id);
    }
    container.read("/tmp/loot")
}

#[test]
fn a_container_that_may_trace_others_finds_neither_privileges_nor_the_host_in_a_child() {
    let loot = spy("tracer", ",+sys_ptrace", 0);
    assert!(
        loot.contains("seen\n") && loot.contains("descriptors\n"),
        "the spy saw no child: {loot}"
    );
    assert!(!loot.contains("privileged") && !loot.contains("host"), "{loot}");
}

#[test]
fn a_container_with_the_usual_privileges_does_not_even_see_the_descriptors_of_a_child() {
    for uid in [0, 1000] {
        let loot = spy("plain", "", uid);
        assert_eq!(loot, "seen\n", "user {uid}");
    }
}

/// A container of root that sends a signal to every process that appears beside it, as fast as it can.
fn signaller(folder: &Folder, signal: u32) -> Container {
    let command = format!(
        "{} -S -c 'import os\nwhile 1:\n for p in os.listdir(\"/proc\"):\n  if p.isdigit() and p != str(os.getpid()):\n   \
         try: os.kill(int(p), {signal})\n   except OSError: pass'",
        program("python3").display()
    );
    Container::start(
        folder,
        &Spec {
            name: "signaller",
            command: &command,
            ..Spec::default()
        },
    )
}

fn quiet(folder: &Folder) -> Container {
    Container::start(
        folder,
        &Spec {
            name: "quiet",
            uid: 1000,
            command: "sleep 1000",
            ..Spec::default()
        },
    )
}

fn by_pod(answers: BTreeMap<String, Answer>) -> BTreeMap<String, Answer> {
    let by_pod = answers
        .into_values()
        .map(|answer| (answer.value("pod-name").to_owned(), answer));
    by_pod.collect()
}

fn children(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    text.split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

#[test]
fn a_container_that_stops_its_child_costs_its_own_time_and_the_others_come_first_from_then_on() {
    let folder = Folder::new();
    let (hostile, quiet) = (signaller(&folder, 19), quiet(&folder));
    assert!(
        hostile.id < quiet.id,
        "the hostile one is the first in the order of IDs"
    );
    let extractor = Extractor::start(&folder, &["--container-timeout", "600ms", "--scan-timeout", "600ms"]);
    let begun = Instant::now();
    let found = (0..20).any(|_| {
        by_pod(extractor.ask(""))
            .get("quiet")
            .is_some_and(|answer| answer.value("os-release-id") != "")
    });
    assert!(found, "the quiet one was never looked at");
    let again = by_pod(extractor.ask(""));
    assert_ne!(
        again["quiet"].value("os-release-id"),
        "",
        "not once in a while, but always"
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert!(children(extractor.pid()).is_empty(), "no stopped child is left");
}

#[test]
fn a_container_that_kills_its_child_is_left_alone_and_the_others_are_complete() {
    let folder = Folder::new();
    let (_hostile, _quiet) = (signaller(&folder, 9), quiet(&folder));
    let extractor = Extractor::start(&folder, &[]);
    for _ in 0..10 {
        let answers = by_pod(extractor.ask(""));
        assert_ne!(answers["quiet"].value("os-release-id"), "");
    }
    assert!(children(extractor.pid()).is_empty(), "no child is left");
}

#[test]
fn a_child_does_not_outlive_the_extractor_and_its_answer_goes_with_the_next_start() {
    let folder = Folder::new();
    let slow = slow_program(&folder);
    let setup = format!("cp --sparse=always {} $ROOT/opt/slow", slow.display());
    let container = Container::start(
        &folder,
        &Spec {
            name: "slow",
            uid: 1000,
            setup: &setup,
            command: "/opt/slow 1000",
            ..Spec::default()
        },
    );
    let extractor = Extractor::start(&folder, &[]);
    let pid = extractor.pid();
    let mut child = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| extractor.send(container.id.as_bytes()));
        wait_until("a child looks", || {
            let filtered = |pid: &u32| {
                fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| status.contains("Seccomp:\t2"))
            };
            child = children(pid).into_iter().find(filtered).unwrap_or(0);
            child != 0
        });
        assert!(
            Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status()
                .expect("run kill")
                .success()
        );
        wait_until("the child is gone, too", || {
            let status = fs::read_to_string(format!("/proc/{child}/status"));
            status.map_or(true, |status| status.contains("State:\tZ"))
        });
    });
    let answers = || fs::read_dir(folder.0.join("data")).expect("list").count();
    assert!(answers() > 0, "it left its answer behind");
    drop(extractor);
    let extractor = Extractor::start(&folder, &[]);
    wait_until("old answers are swept", || answers() <= 1);
    assert_ne!(extractor.look_at(&container).value("os-release-id"), "");
}
