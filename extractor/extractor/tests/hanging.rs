//! Containers with a file system that never answers.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::{Container, Extractor, Folder, Spec, children, program, signal, status, wait_until};

/// Mounts a file system at the path given and, when told so, takes every question without an answer: then not even SIGKILL ends whoever
/// asks. Without it nothing is taken, and whoever waits can be killed.
const FILE_SYSTEM: &str = r#"
import ctypes, os, signal, struct, sys
place, takes = sys.argv[1].encode(), sys.argv[2] == "takes"
device = os.open("/dev/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other" % device
if ctypes.CDLL(None, use_errno=True).mount(b"hang", place, b"fuse", 0, options): sys.exit(os.strerror(ctypes.get_errno()))
if os.fork(): os._exit(0)
if takes:
    length, opcode, unique, node, uid, gid, pid, rest = struct.unpack_from("<LLQQLLLL", os.read(device, 1 << 20))
    answer = struct.pack("<LLLLHHLLHHLL6L", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, *[0] * 8)
    os.write(device, struct.pack("<LlQ", 16 + len(answer), 0, unique) + answer)
while True:
    if takes: os.read(device, 1 << 20)
    else: signal.pause()
"#;

fn hanging(folder: &Folder, how: &str) -> Container {
    let script = folder.0.join("hang.py");
    fs::write(&script, FILE_SYSTEM).expect("write");
    let setup = format!(
        "mkdir $ROOT/opt/hang; {} -S {} $ROOT/opt/hang {how}\n\
         rm -f $ROOT/etc/os-release; ln -s /opt/hang/os-release $ROOT/etc/os-release",
        program("python3").display(),
        script.display()
    );
    let spec = Spec {
        name: "a-hanging",
        uid: 1000,
        setup: &setup,
        command: "sleep 1000",
        ..Spec::default()
    };
    Container::start(folder, &spec)
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

fn is_quiet_complete(extractor: &Extractor) -> bool {
    let answers = extractor.ask("");
    answers
        .values()
        .any(|answer| answer.value("pod-name") == "quiet" && !answer.value("os-release-id").is_empty())
}

#[test]
fn a_child_that_waits_for_a_file_system_is_killed_and_the_others_are_complete() {
    let folder = Folder::new();
    let (_hanging, _quiet) = (hanging(&folder, "waits"), quiet(&folder));
    let extractor = Extractor::start(&folder, &["--container-timeout", "3s"]);
    let begun = Instant::now();
    assert!(is_quiet_complete(&extractor));
    assert!(begun.elapsed() < Duration::from_secs(30), "took {:?}", begun.elapsed());
    assert!(children(extractor.pid()).is_empty(), "no child is left");
}

#[test]
fn a_child_that_nothing_ends_is_left_behind_once_and_ends_with_the_file_system() {
    let folder = Folder::new();
    let (hanging, _quiet) = (hanging(&folder, "takes"), quiet(&folder));
    let extractor = Extractor::start(&folder, &["--container-timeout", "3s"]);
    for round in 0..3 {
        let begun = Instant::now();
        assert!(is_quiet_complete(&extractor), "round {round}");
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "round {round} took {:?}",
            begun.elapsed()
        );
        assert_eq!(
            children(extractor.pid()).len(),
            1,
            "round {round}: one is left, and no second one is made"
        );
    }
    signal(hanging.pids()[0], "KILL");
    wait_until("the child ends with the file system", || {
        assert!(is_quiet_complete(&extractor));
        children(extractor.pid()).is_empty()
    });
}

#[test]
fn a_child_that_waits_does_not_outlive_the_extractor() {
    let folder = Folder::new();
    let hanging = hanging(&folder, "waits");
    let extractor = Extractor::start(&folder, &["--container-timeout", "300s", "--scan-timeout", "300s"]);
    let mut child = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| extractor.send(hanging.id.as_bytes()));
        wait_until("a child waits", || {
            let filtered = |pid: &u32| status(*pid).is_some_and(|status| status["Seccomp"] == "2");
            child = children(extractor.pid()).into_iter().find(filtered).unwrap_or(0);
            child != 0
        });
        signal(extractor.pid(), "KILL");
        wait_until("the child is gone, too", || {
            status(child).is_none_or(|status| status["State"].starts_with('Z'))
        });
    });
}
