//! The exporter's program, killed in the middle of its work.

mod support;

use std::fs::{self, File, FileTimes};
use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use support::exporters::Exporter;
use support::{Node, Reply, container, info, output, receive, say};

const ASK: &[u8] = b"GET /gather_runtime_info?hash=false HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn start(node: &Node) -> Exporter {
    let program = Path::new(env!("CARGO_BIN_EXE_exporter"));
    Exporter::start(program, node.extractor, node.root.path(), None)
}

fn ask(exporter: &Exporter) -> Reply {
    let mut stream = TcpStream::connect(exporter.address).expect("connect");
    stream.write_all(ASK).expect("send");
    receive(&mut stream)
}

#[test]
fn an_exporter_that_is_killed_in_any_phase_leaves_nothing_that_a_later_one_does_not_remove() {
    let node = Node::new(|root, _, stream| {
        let (out, line) = output(root);
        for pid in 0..100 {
            let about = info("n", &format!("p{pid}"), &format!("cri-o://{pid}"));
            container(
                &out,
                &pid.to_string(),
                &[("container-info.txt", &about), ("os.txt", "os-release-id=x\n")],
            );
        }
        sleep(Duration::from_millis(5));
        say(stream, &line);
    });
    for delay in [0, 2, 5, 8, 11, 15, 20, 30] {
        let exporter = start(&node);
        let mut stream = TcpStream::connect(exporter.address).expect("connect");
        stream.write_all(ASK).expect("send");
        sleep(Duration::from_millis(delay));
        // With SIGKILL.
        drop(exporter);
        let body = ask(&start(&node)).body;
        assert_eq!(body.matches("\"os\":\"x\"").count(), 100, "after {delay} ms: {body}");
    }
    let data = node.root.path().join("data");
    assert!(
        fs::read_dir(&data).expect("list").count() > 0,
        "none was killed at work"
    );
    let old = SystemTime::now() - Duration::from_secs(3600);
    for entry in fs::read_dir(&data).expect("list") {
        let folder = File::open(entry.expect("entry").path()).expect("open");
        folder.set_times(FileTimes::new().set_modified(old)).expect("times");
    }
    let _last = start(&node);
    assert_eq!(node.left_over(), Vec::<PathBuf>::new());
}
