//! The program as it is started.

mod support;

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::{Node, container, free_address, info, output, say};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exporter"));
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().expect("start")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

fn started(address: SocketAddr, bind: &str) -> Child {
    let port = address.port().to_string();
    let child = program(&[bind, "127.0.0.1", "-port", &port])
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "the exporter does not listen"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}

#[test]
fn help_version_and_mistakes() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert_eq!(text(&help.stdout), exporter::arguments::HELP);
    assert_eq!(
        text(&run(&["--version"]).stdout),
        format!("exporter {}\n", env!("CARGO_PKG_VERSION"))
    );
    let mistake = run(&["--wrong"]);
    assert_eq!(mistake.status.code(), Some(2));
    assert_eq!(
        text(&mistake.stderr),
        "\"--wrong\" is not a flag; see exporter --help\n"
    );
}

#[test]
fn get_prints_a_tree() {
    let node = Node::new(|root, question, stream| {
        let (out, line) = output(root);
        let detail = "os\tdebian\t12\t/etc/os-release\nprocess\t7\t1\tmain\tNode.js\tv22.14.0\t\texe\tbinary\n";
        for (pid, id) in [("7", "a"), ("8", "b")] {
            if question.is_empty() || question == id {
                let info = info("shop", "web-0", &format!("cri-o://{id}")) + "container-name=app\n";
                container(&out, pid, &[("container-info.txt", &info), ("detail-0.txt", detail)]);
            }
        }
        say(stream, &line);
    });
    let port = node.exporter.port().to_string();
    let facts = "      os: debian 12\n      kind: Node.js v22.14.0\n";
    for (name, arguments, expected) in [
        (
            "all",
            vec!["--hash=false"],
            format!("shop\n  web-0\n    app (cri-o://a)\n{facts}    app (cri-o://b)\n{facts}"),
        ),
        ("those asked for", vec!["--hash=false", "b"], format!("shop\n  web-0\n    app (cri-o://b)\n{facts}")),
        (
            "hashed",
            vec!["b"],
            "shop\n  web-0\n    cri-o://b\n      os: gdk3V0V_mIUj a1HUMd9dfxQc\n      kind: H8DHhTMugPuT zxu3-KFPTYna\n".into(),
        ),
        (
            "with evidence",
            vec!["--hash=false", "--detail", "b"],
            format!(
                "shop\n  web-0\n    app (cri-o://b)\n{facts}      os evidence: /etc/os-release\n      \
                 process: 7 main Node.js v22.14.0\n        evidence: exe\n        version evidence: binary\n"
            ),
        ),
        ("nothing", vec!["c"], "No running container matches.\n".into()),
    ] {
        let out = run(&[&["get", "-port", &port], arguments.as_slice()].concat());
        assert_eq!(text(&out.stderr), "", "{name}");
        let hash = exporter::hash::hash("v22.14.0");
        assert_eq!(text(&out.stdout), expected.replace("zxu3-KFPTYna", &hash), "{name}");
        assert!(out.status.success(), "{name}");
    }
}

#[test]
fn get_fails_with_a_sentence() {
    let nobody = free_address().port().to_string();
    let out = run(&["get", "-port", &nobody]);
    assert_eq!(out.status.code(), Some(1));
    let expected = format!("The exporter at 127.0.0.1:{nobody} cannot be asked: Connection refused (os error 111)\n");
    assert_eq!(text(&out.stderr), expected);

    let node = Node::without_extractor();
    let out = run(&["get", "-port", &node.exporter.port().to_string()]);
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(1), ""));
    assert!(
        text(&out.stderr).starts_with("The extractor cannot be asked: dial tcp 127.0.0.1:"),
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn serves_under_both_spellings_until_it_is_told_to_end() {
    for bind in ["-bind", "--bind"] {
        let address = free_address();
        let mut child = started(address, bind);
        let check = run(&["check", "-port", &address.port().to_string()]);
        assert!(check.status.success(), "{bind}: healthy");
        let taken = run(&["-port", &address.port().to_string()]);
        assert_eq!(taken.status.code(), Some(1), "{bind}: a port in use");
        assert!(
            text(&taken.stderr).starts_with(&format!("Cannot listen on {address}: ")),
            "{bind}"
        );
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signal");
        assert!(child.wait().expect("wait").success(), "{bind}");
        assert!(begun.elapsed() < Duration::from_secs(30), "{bind}: ends by itself");
        let mut said = String::new();
        child
            .stderr
            .take()
            .expect("stderr")
            .read_to_string(&mut said)
            .expect("read");
        assert_eq!(said, "", "{bind}: nothing to complain about");
    }
}
