//! A Java program whose class path does its worst.

mod support;

use std::fs;
use std::process::Command;
use std::time::Instant;

use support::{Container, Extractor, Folder, PATIENT, PROMPT, Spec, program, wait_until};

/// Jars as nobody would make them: one of 2 GiB whose list of entries claims half of that, one with a list of a million
/// entries, one whose manifest unpacks to 200 MB, a pipe, and a name that would be two lines.
const JARS: &str = r#"
import os, struct, sys, zipfile
folder = sys.argv[1]
def end(count, length, offset): return struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, length, offset, 0)
with open(folder + "/huge.jar", "wb") as file:
    file.truncate(2 << 30)
    file.seek(0, 2)
    file.write(end(9, 1 << 30, 1 << 30))
entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0)
with open(folder + "/long.jar", "wb") as file:
    for number in range(1000000): file.write(entry + b"com/example/abc%08d/x/pom.properties" % number)
    file.write(end(65535, file.tell(), 0))
os.mkdir(folder + "/lib")
with zipfile.ZipFile(folder + "/lib/netty-common.jar", "w", zipfile.ZIP_DEFLATED) as file:
    file.writestr("META-INF/MANIFEST.MF", "\0" * 200000000)
os.mkfifo(folder + "/lib/vertx-core.jar")
open(folder + "/lib/kotlin-stdlib-1\nruntime-kind=Golang.jar", "w").close()
open(folder + "/lib/undertow-core-2.3.1.Final.jar", "w").close()
"#;

const WAIT: &str = "class Wait { public static void main(String[] a) throws Exception { Thread.sleep(1000000); } }";

#[test]
fn hostile_jars_cost_neither_time_nor_the_libraries_beside_them() {
    let java = program("java");
    let folder = Folder::new();
    let made = folder.0.join("made");
    fs::create_dir(&made).expect("make a folder");
    fs::write(made.join("Wait.java"), WAIT).expect("write");
    let run = |program, arguments: &[&str]| {
        let status = Command::new(program).args(arguments).current_dir(&made).status();
        assert!(status.expect("run").success(), "{arguments:?}");
    };
    run(java.with_file_name("javac"), &["-d", "app", "Wait.java"]);
    run(program("python3"), &["-c", JARS, "."]);
    let command = format!(
        "{} -Xshare:off -cp '/opt/made/app:/opt/made/huge.jar:/opt/made/long.jar:/opt/made/lib/*' Wait",
        java.display()
    );
    let container = Container::start(
        &folder,
        &Spec {
            name: "jars",
            uid: 1000,
            setup: &format!("mkdir $ROOT/opt/made; mount --bind {} $ROOT/opt/made", made.display()),
            command: &command,
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
    assert_eq!(answer.kind().0, "Java", "{}", answer.detail);
    for (library, version) in [
        ("Undertow", Some("2.3.1.Final")),
        ("Netty", Some("")),
        ("Kotlin", Some("")),
        ("Eclipse Vert.x", None),
    ] {
        let found = answer.values.get(library).map(String::as_str);
        assert_eq!(found, version, "{library}: {}", answer.detail);
    }
    for note in ["denied", "budget", "unversioned"] {
        let line = format!("note\truntimes\t{note}\t");
        assert!(answer.detail.contains(&line), "{note}: {}", answer.detail);
    }
}
