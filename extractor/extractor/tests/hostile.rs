//! What a container that does its worst while it is looked at gets out of the child, and what the extractor still does.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::{Container, Extractor, Folder, Spec, program};

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
