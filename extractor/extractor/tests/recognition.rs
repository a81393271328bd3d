//! Real programs in containers, started in plain and in awkward ways.

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::{Answer, Container, Extractor, FIRST_USER, Folder, Spec, output, program};

/// The answer about a container, as soon as it executes that file.
fn look(program: &Path, spec: &Spec) -> Answer {
    let folder = Folder::new();
    let container = Container::start(&folder, spec);
    container.wait_for(program);
    Extractor::start(&folder, &[]).look_at(&container)
}

fn run(name: &str, program: &Path, setup: &str, command: &str) -> Answer {
    look(
        program,
        &Spec {
            name,
            uid: 1000,
            setup,
            command,
            ..Spec::default()
        },
    )
}

#[test]
fn node_is_recognised_however_it_is_started() {
    let node = program("node");
    let expected = output(&node, &["--version"]);
    let copy = format!("cp {} $ROOT", node.display());
    let wait = "setInterval(() => {}, 1000)";
    for (name, path, more, command) in [
        ("plain", "/opt/node", "", format!("/opt/node -e '{wait}'")),
        ("renamed", "/opt/server", "", format!("/opt/server -e '{wait}'")),
        (
            "linked",
            "/opt/node",
            "; ln -s node $ROOT/opt/web",
            format!("/opt/web -e '{wait}'"),
        ),
        (
            "title",
            "/opt/node",
            "",
            format!("/opt/node -e 'process.title = \"next-server\"; {wait}'"),
        ),
        (
            "path",
            "/usr/local/bin/node",
            "",
            format!("sh -c \"node -e '{wait}'; true\""),
        ),
        (
            "many",
            "/opt/node",
            "",
            format!("sh -c \"sleep 1000 & /opt/node -e '{wait}' & sleep 1000 & wait\""),
        ),
    ] {
        let answer = run(name, Path::new(path), &format!("{copy}{path}{more}"), &command);
        assert_eq!(
            answer.kind(),
            ("Node.js", expected.as_str(), ""),
            "{name}: {}",
            answer.detail
        );
        assert_eq!(
            answer.detail.matches("\tmain\t").count(),
            1,
            "{name}: {}",
            answer.detail
        );
    }
}

#[test]
fn a_container_with_users_of_its_own_is_looked_at_as_the_host_knows_them() {
    let node = program("node");
    // The root's folders belong to nobody in there.
    let setup = format!("mount -t tmpfs tmpfs $ROOT/opt; cp {} $ROOT/opt/node", node.display());
    for uid in [0, 1000] {
        let command = "/opt/node -e 'setInterval(() => {}, 1000)'";
        let spec = Spec {
            name: "users",
            uid,
            setup: &setup,
            command,
            has_users: true,
            ..Spec::default()
        };
        let answer = look(Path::new("/opt/node"), &spec);
        assert_eq!(answer.kind().0, "Node.js", "user {uid}: {}", answer.detail);
        assert_ne!(answer.value("os-release-id"), "", "user {uid}: {}", answer.detail);
        assert_eq!(answer.users, [FIRST_USER + uid], "the child was that user of the host");
    }
}

#[test]
fn python_is_recognised_by_its_interpreter() {
    let python = program("python3");
    let expected = output(&python, &["--version"]);
    let script = "import time; time.sleep(1000)";
    let path = python.display();
    for (name, setup, command) in [
        ("plain", String::new(), format!("{path} -c '{script}'")),
        (
            "script",
            format!("printf '#!{path}\\n{script}\\n' > $ROOT/opt/gunicorn; chmod 755 $ROOT/opt/gunicorn"),
            "/opt/gunicorn".to_owned(),
        ),
        (
            "renamed",
            format!("cp {path} $ROOT/opt/worker"),
            format!("/opt/worker -c '{script}'"),
        ),
    ] {
        let runs = if name == "renamed" {
            Path::new("/opt/worker")
        } else {
            &python
        };
        let answer = run(name, runs, &setup, &command);
        assert_eq!(
            answer.kind(),
            ("Python", expected.as_str(), ""),
            "{name}: {}",
            answer.detail
        );
    }
}

const WAIT_JAVA: &str =
    "public class Wait { public static void main(String[] a) throws Exception { Thread.sleep(1000000); } }";

#[test]
fn java_is_recognised_by_the_library_that_is_mapped() {
    let java = program("java");
    let home = java.parent().and_then(|bin| bin.parent()).expect("home").to_owned();
    let release = fs::read_to_string(home.join("release")).expect("release");
    let field = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
        line.map(|value| value.trim_matches('"').to_owned()).unwrap_or_default()
    };
    let expected = (field("JAVA_VERSION"), field("IMPLEMENTOR"));
    let setup =
        |more: &str| format!("mkdir -p $ROOT/opt/app; printf '%s' '{WAIT_JAVA}' > $ROOT/opt/app/Wait.java; {more}");
    let path = java.display();
    let waiting = "/opt/app/Wait.java";
    for (name, more, command, note) in [
        ("plain", "", format!("{path} {waiting}"), false),
        ("nohome", "", format!("env -u JAVA_HOME {path} {waiting}"), false),
        (
            "wronghome",
            "",
            format!("env JAVA_HOME=/opt/other {path} {waiting}"),
            true,
        ),
        (
            "linkedhome",
            &*format!("ln -s {} $ROOT/opt/jdk", home.display()),
            format!("env JAVA_HOME=/opt/jdk {path} {waiting}"),
            false,
        ),
    ] {
        let setup = setup(more);
        let folder = Folder::new();
        let container = Container::start(
            &folder,
            &Spec {
                name,
                uid: 1000,
                setup: &setup,
                command: &command,
                ..Spec::default()
            },
        );
        support::wait_until("libjvm.so is mapped", || {
            let maps = container
                .pids()
                .first()
                .map(|pid| fs::read_to_string(format!("/proc/{pid}/maps")));
            maps.is_some_and(|maps| maps.unwrap_or_default().contains("libjvm.so"))
        });
        let answer = Extractor::start(&folder, &[]).look_at(&container);
        assert_eq!(
            answer.kind(),
            ("Java", expected.0.as_str(), expected.1.as_str()),
            "{name}: {}",
            answer.detail
        );
        assert_eq!(
            answer.detail.contains("\tdisagreement\t"),
            note,
            "{name}: {}",
            answer.detail
        );
    }
}

#[test]
fn go_is_recognised_by_its_build_information() {
    let go = program("go");
    let folder = Folder::new();
    let source = folder.0.join("main.go");
    fs::write(
        &source,
        "package main\n\nimport \"time\"\n\nfunc main() { time.Sleep(time.Hour) }\n",
    )
    .expect("write");
    let expected = output(&go, &["env", "GOVERSION"]);
    for (name, arguments) in [
        ("plain", &[][..]),
        ("stripped", &["-ldflags=-s -w", "-trimpath"]),
        ("pie", &["-buildmode=pie"]),
    ] {
        let binary = folder.0.join(name);
        let mut build = Command::new(&go);
        build.arg("build").args(arguments).arg("-o").arg(&binary).arg(&source);
        let status = build
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=mod")
            .env("GOTOOLCHAIN", "local")
            .status();
        assert!(status.expect("run go").success(), "{name}");
        // Called `node`: the name does not matter.
        let setup = format!("cp {} $ROOT/opt/node", binary.display());
        let answer = run(name, Path::new("/opt/node"), &setup, "/opt/node");
        assert_eq!(
            answer.kind(),
            ("Golang", expected.as_str(), ""),
            "{name}: {}",
            answer.detail
        );
    }
}

#[test]
fn an_executable_that_was_deleted_or_replaced_is_recognised_all_the_same() {
    let node = program("node");
    let expected = output(&node, &["--version"]);
    let setup = format!(
        "cp {} $ROOT/opt/gone; cp {} $ROOT/opt/other",
        node.display(),
        program("python3").display()
    );
    for (name, how) in [
        ("deleted", "fs.unlinkSync(\"/opt/gone\")"),
        ("replaced", "fs.renameSync(\"/opt/other\", \"/opt/gone\")"),
    ] {
        let folder = Folder::new();
        let command = format!("/opt/gone -e '{how}; setInterval(() => {{}}, 1000)'");
        let spec = Spec {
            name,
            uid: 0,
            setup: &setup,
            command: &command,
            ..Spec::default()
        };
        let container = Container::start(&folder, &spec);
        support::wait_until("the executable is gone", || {
            let link = fs::read_link(format!("/proc/{}/exe", container.pids()[0])).expect("link");
            link.to_string_lossy().ends_with(" (deleted)")
        });
        let answer = Extractor::start(&folder, &[]).look_at(&container);
        assert_eq!(
            answer.kind(),
            ("Node.js", expected.as_str(), ""),
            "{name}: {}",
            answer.detail
        );
    }
}

#[test]
fn a_shell_alone_has_an_operating_system_and_no_kind() {
    let setup = "rm $ROOT/etc/os-release; printf 'ID=\"testos\"\\nVERSION_ID=1.2\\n' > $ROOT/etc/os-release";
    let answer = run(
        "shell",
        &program("sleep"),
        setup,
        "sh -c 'while true; do sleep 1; done'",
    );
    assert_eq!(
        (answer.value("os-release-id"), answer.value("os-release-version-id")),
        ("testos", "1.2")
    );
    assert_eq!(answer.kind(), ("", "", ""));
    assert!(
        answer.detail.starts_with("os\ttestos\t1.2\t/etc/os-release\n"),
        "{}",
        answer.detail
    );
}

#[test]
fn without_etc_os_release_the_vendors_file_counts() {
    let setup = "rm -f $ROOT/etc/os-release $ROOT/usr/lib/os-release; echo ID=vendor > $ROOT/usr/lib/os-release";
    let answer = run("vendor", &program("sleep"), setup, "sleep 1000");
    assert_eq!(answer.value("os-release-id"), "vendor");
}

#[test]
fn each_user_of_a_container_is_looked_at_as_itself() {
    let node = program("node");
    let inner = format!(
        "setpriv --reuid 1234 --regid 1234 --clear-groups {} -e \"setInterval(() => {{}}, 1000)\"",
        node.display()
    );
    let command = format!("sh -c '{inner} & wait'");
    let folder = Folder::new();
    let container = Container::start(
        &folder,
        &Spec {
            name: "users",
            uid: 0,
            setup: "",
            command: &command,
            ..Spec::default()
        },
    );
    support::wait_until("node runs", || {
        let is_node = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path == node);
        container.pids().iter().any(is_node)
    });
    let answer = Extractor::start(&folder, &[]).look_at(&container);
    assert!(
        answer.detail.contains("\tinit\t\t"),
        "the shell of root: {}",
        answer.detail
    );
    assert!(
        answer.detail.contains("\tmain\tNode.js\tv"),
        "the program of the other user: {}",
        answer.detail
    );
    assert_eq!(
        answer.kind().0,
        "Node.js",
        "upstream's exporter sees the better answer, too"
    );
}

#[test]
fn nothing_of_a_container_is_ever_run() {
    let decoy = "#!/bin/sh\\necho ran >> /tmp/ran\\nexec sleep 1000\\n";
    let setup = format!(
        "for name in node java python python3 python3.13 ruby php perl dotnet deno bun erl go gunicorn; do printf '{decoy}' > $ROOT/usr/local/bin/$name; \
         chmod 755 $ROOT/usr/local/bin/$name; done; chmod 1777 $ROOT/tmp"
    );
    let folder = Folder::new();
    let spec = Spec {
        name: "decoy",
        uid: 1000,
        setup: &setup,
        command: "sh -c '/usr/local/bin/node --version & wait'",
        ..Spec::default()
    };
    let container = Container::start(&folder, &spec);
    support::wait_until("the decoy has started", || {
        let marker = format!("/proc/{}/root/tmp/ran", container.pids()[0]);
        fs::read_to_string(marker).is_ok()
    });
    let answer = Extractor::start(&folder, &[]).look_at(&container);
    assert_eq!(answer.kind(), ("", "", ""));
    assert_eq!(
        container.read("/tmp/ran"),
        "ran\n",
        "only the container itself ran it, once"
    );
}
