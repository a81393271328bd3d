//! What a container that does its worst while it is looked at gets out of the child, and what the extractor still does.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Answer, Container, Extractor, Folder, Spec, children, program, wait_until};

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

/// A container of that user that sends a signal to every process that appears beside it, as fast as it can.
fn signaller(folder: &Folder, uid: u32, signal: u32) -> Container {
    let command = format!(
        "{} -S -c 'import os\nwhile 1:\n for p in os.listdir(\"/proc\"):\n  if p.isdigit() and p != str(os.getpid()):\n   \
         try: os.kill(int(p), {signal})\n   except OSError: pass'",
        program("python3").display()
    );
    Container::start(
        folder,
        &Spec {
            name: "signaller",
            uid,
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

#[test]
fn a_container_that_stops_its_child_costs_its_own_time_and_the_others_come_first_from_then_on() {
    let folder = Folder::new();
    let (hostile, quiet) = (signaller(&folder, 0, 19), quiet(&folder));
    assert!(
        hostile.id < quiet.id,
        "the hostile one is the first in the order of IDs"
    );
    let extractor = Extractor::start(&folder, &["--container-timeout", "3s", "--scan-timeout", "3s"]);
    let begun = Instant::now();
    let is_quiet_complete = || {
        by_pod(extractor.ask(""))
            .get("quiet")
            .is_some_and(|answer| !answer.value("os-release-id").is_empty())
    };
    // Now and then a child has ended before it is stopped. The first one that is stopped uses up the time of all.
    wait_until("a child is stopped", || !is_quiet_complete());
    for _ in 0..2 {
        assert!(is_quiet_complete(), "not once in a while, but always");
    }
    assert!(begun.elapsed() < Duration::from_secs(120));
    assert!(children(extractor.pid()).is_empty(), "no stopped child is left");
}

#[test]
fn a_container_that_kills_its_child_is_left_alone_and_the_others_are_complete() {
    for (uid, signal) in [(0, 9), (1000, 9), (1000, 11), (1000, 31)] {
        let folder = Folder::new();
        let (_hostile, _quiet) = (signaller(&folder, uid, signal), quiet(&folder));
        let extractor = Extractor::start(&folder, &[]);
        for _ in 0..5 {
            let answers = by_pod(extractor.ask(""));
            assert_ne!(
                answers["quiet"].value("os-release-id"),
                "",
                "user {uid}, signal {signal}"
            );
        }
        assert!(
            children(extractor.pid()).is_empty(),
            "no child is left by user {uid}, signal {signal}"
        );
    }
}

/// Makes itself the tracer of every process that appears beside it and never lets go, as fast as it can.
const TRACER: &str = "import ctypes, os\nlibc = ctypes.CDLL(None)\nlibc.ptrace.argtypes = [ctypes.c_long] * 4\nwhile True:\n \
                      for pid in os.listdir('/proc'):\n  if pid.isdigit() and int(pid) != os.getpid() and libc.ptrace(0x4206, int(pid), 0, 0) == 0:\n   \
                      open('/tmp/traced', 'a').write(pid)";

/// Whether a container could trace the child that looked at it; meanwhile another one is looked at.
fn trace(uid: u32, more_capabilities: &'static str) -> bool {
    let folder = Folder::new();
    let script = folder.0.join("tracer.py");
    fs::write(&script, TRACER).expect("write");
    let setup = format!(
        "cp {} $ROOT/opt/tracer.py; touch $ROOT/tmp/traced; chmod 666 $ROOT/tmp/traced",
        script.display()
    );
    let command = format!("{} -S /opt/tracer.py", program("python3").display());
    let tracer = Container::start(
        &folder,
        &Spec {
            name: "a-tracer",
            uid,
            setup: &setup,
            command: &command,
            more_capabilities,
            ..Spec::default()
        },
    );
    let _quiet = quiet(&folder);
    let extractor = Extractor::start(&folder, &["--container-timeout", "3s"]);
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        let begun = Instant::now();
        assert_ne!(by_pod(extractor.ask(""))["quiet"].value("os-release-id"), "");
        assert!(begun.elapsed() < Duration::from_secs(30), "took {:?}", begun.elapsed());
    }
    !tracer.read("/tmp/traced").is_empty()
}

#[test]
fn only_a_container_that_may_trace_others_traces_its_child_and_that_costs_nobody_else() {
    assert!(trace(0, ",+sys_ptrace"));
    for uid in [0, 1000] {
        assert!(!trace(uid, ""), "user {uid}");
    }
}

#[test]
fn four_users_of_a_container_are_looked_at_and_a_fifth_is_not() {
    let folder = Folder::new();
    let container = Container::start(
        &folder,
        &Spec {
            name: "users",
            command: "sh -c 'for user in 1 2 3 4 5; do setpriv --reuid $user --clear-groups sleep 1000 & done; wait'",
            ..Spec::default()
        },
    );
    wait_until("all users run something", || container.pids().len() == 6);
    let mut users = Extractor::start(&folder, &[]).look_at(&container).users;
    users.sort_unstable();
    assert_eq!(users, [0, 1, 2, 3]);
}

#[test]
fn no_process_of_the_extractor_ever_executes_or_connects_and_the_privileged_ones_open_only_what_they_may() {
    let folder = Folder::new();
    let container = quiet(&folder);
    let extractor = Extractor::start(&folder, &[]);
    let log = folder.0.join("trace");
    let mut strace = Command::new(program("strace"))
        .args([
            "-ff",
            "-y",
            "-e",
            "trace=%file,openat2,socket,connect,ptrace,execveat,setns,seccomp",
            "-p",
            &extractor.pid().to_string(),
            "-o",
        ])
        .arg(&log)
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("run strace");
    let traced = || {
        let status = fs::read_to_string(format!("/proc/{}/status", extractor.pid())).unwrap_or_default();
        status
            .lines()
            .any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    };
    wait_until("the extractor is traced", traced);
    assert_ne!(extractor.look_at(&container).value("os-release-id"), "");
    assert!(
        Command::new("kill")
            .args(["-INT", &strace.id().to_string()])
            .status()
            .expect("run kill")
            .success()
    );
    strace.wait().expect("wait for strace");
    let traces: Vec<_> = fs::read_dir(&folder.0)
        .expect("list")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.file_name().expect("name").to_string_lossy().starts_with("trace."))
        .collect();
    let own = log.with_extension(extractor.pid().to_string());
    assert!(traces.len() >= 3 && traces.contains(&own), "{traces:?}");
    let container_pid = container.pids()[0].to_string();
    for path in &traces {
        for line in fs::read_to_string(path).expect("trace").lines() {
            for call in ["execve", "execveat", "socket", "connect", "ptrace"] {
                assert!(!line.starts_with(&format!("{call}(")), "{line}");
            }
            if *path == own && line.starts_with("open") {
                let opened = line.split('"').nth(1).unwrap_or_default();
                let is_table = opened.split_once('/').is_some_and(|(pid, name)| {
                    pid.bytes().all(|byte| byte.is_ascii_digit()) && ["cgroup", "stat", "status"].contains(&name)
                });
                let links = folder.0.join("links");
                let is_own = ["stat", "ns/pid", "ns/mnt", &container_pid].contains(&opened)
                    || opened.starts_with("out-")
                    || opened.ends_with("data")
                    || opened.ends_with(".txt")
                    || links == std::path::Path::new(opened);
                assert!(is_table || is_own, "the privileged process opened {line}");
            }
        }
    }
}

#[test]
fn it_listens_on_the_loopback_address_only() {
    let folder = Folder::new();
    let extractor = Extractor::start(&folder, &[]);
    let port = format!(":{:04X}", extractor.port);
    let listening = |table: &str| {
        let text = fs::read_to_string(format!("/proc/{}/net/{table}", extractor.pid())).unwrap_or_default();
        let fields = text
            .lines()
            .map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        fields
            .filter(|fields| fields.get(3) == Some(&"0A") && fields[1].ends_with(&port))
            .map(|fields| fields[1].trim_end_matches(&port).to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listening("tcp"), ["0100007F"]);
    assert_eq!(listening("tcp6"), [""; 0]);
}
