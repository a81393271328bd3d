//! What a child may do while it looks, seen from outside, and what a hostile container gets out of it.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use support::{Container, Extractor, Folder, PATIENT, PROMPT, Spec, children, slow_program, status};

/// A child as it was seen at work.
struct Sample {
    status: BTreeMap<String, String>,
    limits: String,
    owner: u32,
    files: Vec<String>,
    mounts: String,
    pids: String,
}

fn sample(pid: u32) -> Option<Sample> {
    let status = status(pid).filter(|status| status["Seccomp"] == "2")?;
    let link =
        |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).map(|path| path.to_string_lossy().into_owned());
    let names = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(Result::ok);
    let files = names.filter_map(|name| fs::read_link(name.path()).ok());
    Some(Sample {
        status,
        limits: fs::read_to_string(format!("/proc/{pid}/limits")).ok()?,
        owner: fs::metadata(format!("/proc/{pid}/status")).ok()?.uid(),
        files: files.map(|path| path.to_string_lossy().into_owned()).collect(),
        mounts: link("ns/mnt").ok()?,
        pids: link("ns/pid").ok()?,
    })
}

/// Has the extractor look at a container that takes it long, and catches the child at it.
fn catch(uid: u32) -> (Sample, Container) {
    let folder = Folder::new();
    let slow = slow_program(&folder);
    let setup = format!("cp --sparse=always {} $ROOT/opt/slow", slow.display());
    let container = Container::start(
        &folder,
        &Spec {
            name: "slow",
            uid,
            setup: &setup,
            command: "/opt/slow 1000",
            ..Spec::default()
        },
    );
    let extractor = Extractor::start(&folder, &[]);
    let (pid, end) = (extractor.pid(), Instant::now() + Duration::from_secs(30));
    let caught = std::thread::scope(|scope| {
        let watcher = scope.spawn(move || {
            while Instant::now() < end {
                if let Some(sample) = children(pid).into_iter().find_map(sample) {
                    return Some(sample);
                }
            }
            None
        });
        while !watcher.is_finished() && Instant::now() < end {
            extractor.look_at(&container);
        }
        watcher.join().expect("the watcher")
    });
    (caught.expect("a child was seen at work"), container)
}

fn check(uid: u32) {
    let (sample, container) = catch(uid);
    let id = uid.to_string();
    let four = [id.as_str(); 4].join(" ");
    for (key, expected) in [
        ("Uid", four.as_str()),
        ("Gid", &four),
        ("Groups", ""),
        ("CapInh", "0000000000000000"),
        ("CapPrm", "0000000000000000"),
        ("CapEff", "0000000000000000"),
        ("CapBnd", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Threads", "1"),
    ] {
        assert_eq!(sample.status[key], expected, "{key}");
    }
    assert_eq!(sample.owner, 0, "not dumpable: its files in /proc belong to root");
    for (name, expected) in [
        ("Max cpu time", "4"),
        ("Max file size", "65536"),
        ("Max core file size", "0"),
        ("Max address space", "67108864"),
        ("Max open files", "512"),
        ("Max processes", "0"),
    ] {
        let line = sample
            .limits
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .expect(name);
        let values: Vec<_> = line.split_ascii_whitespace().take(2).collect();
        assert_eq!(values, [expected, expected], "{name}");
    }
    let pid = container.pids()[0];
    let of_container = |name: &str| fs::read_link(format!("/proc/{pid}/ns/{name}")).expect("namespace");
    assert_eq!(sample.mounts, of_container("mnt").to_string_lossy());
    assert_eq!(sample.pids, of_container("pid").to_string_lossy());
    for file in &sample.files {
        let is_process = file.starts_with(&format!("/proc/{pid}/"));
        let is_output = [
            "os.txt",
            "runtime-kind.txt",
            "runtimes-fingerprints.txt",
            &format!("detail-{uid}.txt"),
        ]
        .iter()
        .any(|name| file.ends_with(&format!("/{pid}/{name}")));
        let is_own_list = file.starts_with("/proc/") && file.ends_with("/fd");
        let is_container = file == "/" || file.ends_with("/opt/slow");
        assert!(
            is_process || is_output || is_own_list || is_container,
            "an open file too many: {file}"
        );
    }
}

#[test]
fn a_child_has_given_up_everything_before_it_looks() {
    check(65534);
}

#[test]
fn a_child_for_root_has_given_up_everything_too() {
    check(0);
}

#[test]
fn a_hostile_root_costs_little_and_gives_nothing() {
    for (name, os_release, reason) in [
        ("fifo", "mkfifo $ROOT/etc/os-release", "denied"),
        ("zero", "ln -s /dev/zero $ROOT/etc/os-release", "denied"),
        ("device", "mknod $ROOT/etc/os-release c 1 5", "denied"),
        ("proc", "ln -s /proc/self/environ $ROOT/etc/os-release", "denied"),
        (
            "outside",
            "ln -s ../../../../../../proc/1/root/etc/os-release $ROOT/etc/os-release",
            "",
        ),
        ("folder", "mkdir $ROOT/etc/os-release", "denied"),
        ("loop", "ln -s os-release $ROOT/etc/os-release", ""),
        (
            "secret",
            "echo ID=secret > $ROOT/etc/os-release; chmod 600 $ROOT/etc/os-release",
            "denied",
        ),
        ("noise", "head -c 5000000 /dev/urandom > $ROOT/etc/os-release", ""),
        (
            "injection",
            "printf 'ID=\"a\\tb\"\\nVERSION_ID=$(reboot)\\n' > $ROOT/etc/os-release",
            "",
        ),
    ] {
        let setup = format!("rm -f $ROOT/etc/os-release $ROOT/usr/lib/os-release; {os_release}");
        let folder = Folder::new();
        let container = Container::start(
            &folder,
            &Spec {
                name,
                uid: 1000,
                setup: &setup,
                command: "sleep 1000",
                ..Spec::default()
            },
        );
        let extractor = Extractor::start(&folder, &PATIENT);
        let begun = Instant::now();
        let answer = extractor.look_at(&container);
        assert!(begun.elapsed() < PROMPT, "{name} took {:?}", begun.elapsed());
        assert_eq!(answer.value("os-release-id"), "", "{name}: {}", answer.detail);
        let note = answer.detail.lines().find_map(|line| line.strip_prefix("note\tos\t"));
        let found = note.and_then(|note| note.split('\t').next()).unwrap_or_default();
        assert_eq!(found, reason, "{name}: {}", answer.detail);
    }
}

#[test]
fn a_container_that_takes_too_long_does_not_keep_the_others_waiting() {
    let folder = Folder::new();
    let slow = slow_program(&folder);
    let setup = format!("cp --sparse=always {} $ROOT/opt/slow", slow.display());
    let first = Container::start(
        &folder,
        &Spec {
            name: "slow",
            uid: 1000,
            setup: &setup,
            command: "/opt/slow 1000",
            ..Spec::default()
        },
    );
    let second = Container::start(
        &folder,
        &Spec {
            name: "quick",
            uid: 1000,
            setup: "",
            command: "sleep 1000",
            ..Spec::default()
        },
    );
    // On a busy machine the shortest time may not be enough for either.
    let is_enough = |timeout: &str| {
        let extractor = Extractor::start(&folder, &["--container-timeout", timeout]);
        let answers = extractor.ask(&format!("{},{}", first.id, second.id));
        let by_pod: BTreeMap<_, _> = answers
            .values()
            .map(|answer| (answer.value("pod-name"), answer))
            .collect();
        let (quick, slow) = (by_pod["quick"], by_pod["slow"]);
        assert!(
            slow.detail.is_empty() || slow.detail.contains("\tbudget\t"),
            "{}",
            slow.detail
        );
        assert!(children(extractor.pid()).is_empty(), "no child is left");
        !quick.value("os-release-id").is_empty() && !slow.value("os-release-id").is_empty()
    };
    assert!(
        ["150ms", "600ms", "2500ms"].into_iter().any(is_enough),
        "the quick one is complete, and what was found of the slow one before the time was up stays"
    );
}

#[test]
fn a_stopped_process_is_looked_at_like_any_other() {
    let folder = Folder::new();
    let container = Container::start(
        &folder,
        &Spec {
            name: "stopped",
            uid: 1000,
            setup: "",
            command: "sleep 1000",
            ..Spec::default()
        },
    );
    let pid = container.pids()[0].to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-STOP", &pid])
            .status()
            .expect("run kill")
            .success()
    );
    let answer = Extractor::start(&folder, &[]).look_at(&container);
    assert_ne!(answer.value("os-release-id"), "");
}
