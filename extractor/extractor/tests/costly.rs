//! What a container makes expensive: the extractor's time and memory do not grow with it.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::{Container, Extractor, Folder, Memory, PATIENT, PROMPT, Spec, program, wait_until};

/// Parent and children together; a program that is not optimised included.
const MAX_KIB: u64 = 12 * 1024;
/// Much longer than it takes, so that a busy machine is no failure; much shorter than looking at all of it would take.
const MAX_TIME: Duration = Duration::from_secs(10);

#[test]
fn what_a_container_makes_expensive_is_cut_short() {
    let python = program("python3");
    // Neighbours with different rights do not become one mapping.
    let maps =
        "import mmap, time\nkept = [mmap.mmap(-1, 4096, prot=1 + 2 * (i % 2)) for i in range(60000)]\ntime.sleep(1000)";
    let forks = "while :; do /bin/true & /bin/true; done";
    for (name, setup, command) in [
        (
            "two gigabytes of os-release",
            "rm -f $ROOT/etc/os-release; truncate -s 2G $ROOT/etc/os-release",
            "sleep 1000".to_owned(),
        ),
        (
            "sixty thousand mappings",
            "",
            format!("{} -S -c '{maps}'", python.display()),
        ),
        ("one process after another", "", format!("sh -c '{forks}'")),
    ] {
        let folder = Folder::new();
        let container = Container::start(
            &folder,
            &Spec {
                name: "expensive",
                uid: 1000,
                setup,
                command: &command,
                ..Spec::default()
            },
        );
        if name.starts_with("sixty") {
            wait_until("the mappings are there", || {
                let maps = fs::read(format!("/proc/{}/maps", container.pids()[0])).unwrap_or_default();
                maps.iter().filter(|byte| **byte == b'\n').count() > 50_000
            });
        }
        let extractor = Extractor::start(&folder, &[]);
        let memory = Memory::watch(&extractor);
        let begun = Instant::now();
        let answer = extractor.look_at(&container);
        assert!(begun.elapsed() < MAX_TIME, "{name} took {:?}", begun.elapsed());
        let most = memory.most();
        assert!(most < MAX_KIB, "{name}: {most} KiB");
        let sees_system = name.starts_with("two") || !answer.value("os-release-id").is_empty();
        assert!(sees_system, "{name}: {}", answer.detail);
        if name.starts_with("sixty") {
            assert_eq!(answer.kind().0, "Python", "{name}: {}", answer.detail);
        }
    }
}

#[test]
fn a_pipe_in_place_of_a_release_file_costs_the_implementer_and_nothing_else() {
    let java = program("java");
    let home = java
        .parent()
        .and_then(|bin| bin.parent())
        .expect("home")
        .display()
        .to_string();
    let release = fs::read_to_string(format!("{home}/release")).expect("release");
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="));
    let version = version.expect("a version").trim_matches('"');
    let source = "class Wait { public static void main(String[] a) throws Exception { Thread.sleep(1000000); } }";
    let setup =
        format!("rm -f $ROOT{home}/release; mkfifo $ROOT{home}/release; printf '%s' '{source}' > $ROOT/opt/Wait.java");
    let folder = Folder::new();
    let container = Container::start(
        &folder,
        &Spec {
            name: "pipe",
            uid: 1000,
            setup: &setup,
            command: &format!("{} /opt/Wait.java", java.display()),
            ..Spec::default()
        },
    );
    wait_until("libjvm.so is mapped", || {
        let pid = container.pids()[0];
        fs::read_to_string(format!("/proc/{pid}/maps")).is_ok_and(|maps| maps.contains("libjvm.so"))
    });
    let extractor = Extractor::start(&folder, &PATIENT);
    let begun = Instant::now();
    let answer = extractor.look_at(&container);
    assert!(begun.elapsed() < PROMPT, "took {:?}", begun.elapsed());
    // The library that runs says what it was built as.
    assert_eq!(answer.kind(), ("Java", version, ""), "{}", answer.detail);
    assert!(
        answer.detail.contains("note\tkindVersion\tdenied\t"),
        "{}",
        answer.detail
    );
}

/// A copy of `sleep` at the path given whose header claims 65,535 sections, and one more place of a name table.
const ABSURD: &str = r#"
import shutil, struct, sys
shutil.copy("/bin/sleep", sys.argv[1])
with open(sys.argv[1], "r+b") as file:
    file.seek(40)
    file.write(struct.pack("<Q", 1 << 62))
    file.seek(58)
    file.write(struct.pack("<HHH", 64, 65535, 65535))
"#;

#[test]
fn a_program_with_absurd_sections_is_one_without_a_platform() {
    let folder = Folder::new();
    let script = folder.0.join("absurd.py");
    fs::write(&script, ABSURD).expect("write");
    let setup = format!(
        "{} {} $ROOT/opt/worker; chmod 755 $ROOT/opt/worker",
        program("python3").display(),
        script.display()
    );
    let spec = Spec {
        name: "absurd",
        uid: 1000,
        setup: &setup,
        command: "/opt/worker 1000",
        ..Spec::default()
    };
    let container = Container::start(&folder, &spec);
    let extractor = Extractor::start(&folder, &[]);
    let memory = Memory::watch(&extractor);
    let answer = extractor.look_at(&container);
    assert!(!answer.value("os-release-id").is_empty(), "{}", answer.detail);
    assert!(["", "C/C++"].contains(&answer.kind().0), "{}", answer.detail);
    assert!(memory.most() < MAX_KIB);
}

#[test]
fn of_a_folder_with_a_million_entries_a_few_thousand_names_are_looked_at() {
    let folder = Folder::new();
    let python = program("python3");
    let links = "import os, sys\nos.makedirs(sys.argv[1], exist_ok=True)\nos.chdir(sys.argv[1])\nopen(\"0.dist-info\", \"w\").close()\n\
                 for number in range(1, 1000000): os.link(\"0.dist-info\", f\"{number}.dist-info\")";
    let script = folder.0.join("links.py");
    fs::write(&script, links).expect("write");
    let version = support::output(&python, &["-c", "import sys; print(sys.path[-1])"]);
    let setup = format!("{} {} $ROOT{version}", python.display(), script.display());
    let wait = format!("{} -c 'import time; time.sleep(1000)'", python.display());
    let spec = Spec {
        name: "crowded",
        uid: 1000,
        setup: &setup,
        command: &wait,
        ..Spec::default()
    };
    let container = Container::start(&folder, &spec);
    let extractor = Extractor::start(&folder, &[]);
    let memory = Memory::watch(&extractor);
    let begun = Instant::now();
    let answer = extractor.look_at(&container);
    assert!(begun.elapsed() < MAX_TIME, "took {:?}", begun.elapsed());
    assert_eq!(answer.kind().0, "Python", "{}", answer.detail);
    let most = memory.most();
    assert!(most < MAX_KIB, "{most} KiB");
}
