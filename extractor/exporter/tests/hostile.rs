//! What must not hurt: directories that break the contract, callers that break the manners.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use exporter::limits::Limits;
use support::{Node, container, info, output, receive, say};

const NONE: Vec<PathBuf> = Vec::new();

#[test]
fn directories_that_break_the_contract() {
    type Build = fn(&Path, &Path);
    let rows: &[(&str, Build, &str)] = &[
        (
            "no container-info.txt",
            |out, _| container(out, "1", &[("os.txt", "os-release-id=x\n")]),
            "{}",
        ),
        (
            "a container directory that is a link",
            |out, root| {
                container(
                    root,
                    "elsewhere",
                    &[("container-info.txt", &info("n", "p", "cri-o://a"))],
                );
                symlink(root.join("elsewhere"), out.join("1")).expect("link");
            },
            "{}",
        ),
        (
            "files that are links",
            |out, root| {
                fs::write(root.join("secret"), "os-release-id=secret\n").expect("file");
                container(out, "1", &[("container-info.txt", &info("n", "p", "cri-o://a"))]);
                symlink(root.join("secret"), out.join("1/os.txt")).expect("link");
                symlink("/etc/passwd", out.join("1/detail-0.txt")).expect("link");
            },
            r#"{"n":{"p":{"cri-o://a":{}}}}"#,
        ),
        (
            "a container-info.txt that is a link",
            |out, root| {
                fs::write(root.join("forged"), info("n", "p", "cri-o://a")).expect("file");
                container(out, "1", &[]);
                symlink(root.join("forged"), out.join("1/container-info.txt")).expect("link");
            },
            "{}",
        ),
        (
            "FIFOs, a folder and a sparse giant instead of files",
            |out, _| {
                container(out, "1", &[("container-info.txt", &info("n", "p", "cri-o://a"))]);
                for name in ["os.txt", "detail-0.txt"] {
                    use rustix::fs::{CWD, FileType, Mode, mknodat};
                    mknodat(CWD, out.join("1").join(name), FileType::Fifo, Mode::RWXU, 0).expect("FIFO");
                }
                fs::create_dir(out.join("1/runtime-kind.txt")).expect("folder");
                let giant = fs::File::create(out.join("1/runtimes-fingerprints.txt")).expect("file");
                giant.set_len(1 << 40).expect("sparse file");
            },
            r#"{"n":{"p":{"cri-o://a":{}}}}"#,
        ),
        (
            "an oversized detail file: the other files answer",
            |out, _| {
                let detail = format!("os\tforged\t1\t\n{}", "note\tkind\tbudget\t\n".repeat(10_000));
                let files = [
                    ("container-info.txt", &*info("n", "p", "cri-o://a")),
                    ("os.txt", "os-release-id=debian\n"),
                    ("detail-0.txt", &*detail),
                ];
                container(out, "1", &files);
            },
            r#"{"n":{"p":{"cri-o://a":{"os":"debian"}}}}"#,
        ),
        (
            "NULs, bad UTF-8, bad lines and duplicate keys",
            |out, _| {
                container(out, "1", &[("container-info.txt", &info("n", "p", "cri-o://a"))]);
                fs::write(
                    out.join("1/os.txt"),
                    b"os-release-id=a\0b\nos-release-version-id=\xff\n",
                )
                .expect("file");
                let kind = "garbage\n=\n==\nruntime-kind=Python\nruntime-kind=Java\n";
                fs::write(out.join("1/runtime-kind.txt"), kind).expect("file");
            },
            r#"{"n":{"p":{"cri-o://a":{"kind":"Java"}}}}"#,
        ),
        (
            "names that no pod has",
            |out, _| {
                container(out, "1", &[("container-info.txt", &info("../n", "p", "cri-o://a"))]);
                container(out, "2", &[("container-info.txt", &info("n", "<p>", "cri-o://a"))]);
                container(out, "3", &[("container-info.txt", &info("n", "p", "cri-o://a\u{1b}"))]);
            },
            "{}",
        ),
        (
            "entries that are no container's",
            |out, _| {
                container(out, "x1", &[("container-info.txt", &info("n", "p", "cri-o://a"))]);
                container(
                    out,
                    "00000000001",
                    &[("container-info.txt", &info("n", "p", "cri-o://a"))],
                );
                fs::write(out.join("7"), "").expect("file");
            },
            "{}",
        ),
        (
            "a fifth user's file does not count",
            |out, _| {
                let detail = "process\t1\t5\tmain\tJava\t\t\t\t\n";
                let other = "os\tdebian\t12\t\n";
                let files = [
                    ("detail-1.txt", other),
                    ("detail-2.txt", other),
                    ("detail-3.txt", other),
                    ("detail-4.txt", other),
                    ("detail-5.txt", detail),
                ];
                container(out, "1", &[("container-info.txt", &info("n", "p", "cri-o://a"))]);
                for (name, text) in files {
                    fs::write(out.join("1").join(name), text).expect("file");
                }
            },
            r#"{"n":{"p":{"cri-o://a":{"os":"debian","osVersion":"12"}}}}"#,
        ),
    ];
    for (name, build, expected) in rows {
        let build = *build;
        let node = Node::new(move |root, _, stream| {
            let (out, line) = output(root);
            build(&out, root);
            say(stream, &line);
        });
        let reply = node.get("/gather_runtime_info?hash=false");
        assert_eq!((reply.status, reply.body.as_str()), (200, *expected), "{name}");
        assert_eq!(node.left_over(), NONE, "{name}");
    }
}

#[test]
fn a_link_in_place_of_the_output_directory_is_refused_and_removed() {
    let node = Node::new(|root, _, stream| {
        container(root, "victim", &[("container-info.txt", "x=y\n")]);
        symlink("../victim", root.join("data/out-5")).expect("link");
        say(stream, "data/out-5\n\n");
    });
    let reply = node.get("/gather_runtime_info");
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (500, "open data/out-5: not a directory\n")
    );
    assert_eq!(node.left_over(), NONE);
    assert!(node.root.path().join("victim/container-info.txt").exists());
}

#[test]
fn detail_of_one_container_cannot_crowd_out_the_others() {
    let node = Node::new(|root, _, stream| {
        let (out, line) = output(root);
        let message = "m".repeat(1000);
        let notes: String = (0..60).map(|n| format!("note\tn{n}\tbudget\t{message}\n")).collect();
        container(
            &out,
            "1",
            &[
                ("container-info.txt", &info("n", "p", "cri-o://a")),
                ("detail-0.txt", &notes),
            ],
        );
        let small = "os\tdebian\t12\te\n";
        container(
            &out,
            "2",
            &[
                ("container-info.txt", &info("n", "p", "cri-o://b")),
                ("detail-0.txt", small),
            ],
        );
        say(stream, &line);
    });
    let body = node.get("/gather_runtime_info?hash=false&detail=true").body;
    assert!(
        body.starts_with(r#"{"n":{"p":{"cri-o://a":{},"cri-o://b":{"os":"debian","osVersion":"12","detail":"#),
        "{body}"
    );
}

#[test]
fn a_body_of_100_megabytes_is_refused_with_a_sentence() {
    let node = Node::new(|_, _, stream| say(stream, ""));
    for (name, head) in [
        ("announced", "Content-Length: 104857600\r\n"),
        ("chunked", "Transfer-Encoding: chunked\r\n"),
    ] {
        let mut stream = node.connect();
        let head = format!("POST /gather_runtime_info HTTP/1.1\r\nHost: x\r\n{head}\r\n");
        stream.write_all(head.as_bytes()).expect("send");
        let mut writer = stream.try_clone().expect("clone");
        let sender = thread::spawn(move || {
            let chunk = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
            for _ in 0..100 {
                if writer.write_all(chunk.as_bytes()).is_err() {
                    return;
                }
            }
        });
        let reply = receive(&mut stream);
        assert_eq!(reply.status, 413, "{name}");
        assert_eq!(reply.body, "The request body is longer than 786432 bytes\n", "{name}");
        sender.join().expect("sender");
    }
    assert_eq!(node.asked(), Vec::<String>::new());
}

#[test]
fn eight_thousand_container_references_fit() {
    let node = Node::new(|root, _, stream| say(stream, &output(root).1));
    let ids: Vec<_> = (0..8000).map(|n| format!("\"cri-containerd://{n:064x}\"")).collect();
    let reply = node.post(
        "/gather_runtime_info",
        &format!("{{\"containerIds\": [{}]}}", ids.join(", ")),
    );
    assert_eq!((reply.status, reply.body.as_str()), (200, "{}"));
    assert_eq!(node.asked()[0].split(',').count(), 8000);
}

#[test]
fn slow_callers_are_cut_off() {
    let limits = Limits {
        header: Duration::from_millis(300),
        body: Duration::from_millis(300),
        ..Limits::default()
    };
    let node = Node::with_limits(limits, |_, _, stream| say(stream, ""));
    for (name, bytes, status) in [
        ("half a header", "POST /gather_runtime_info HT", 0),
        (
            "half a body",
            "POST /gather_runtime_info HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{\"conta",
            408,
        ),
        ("nothing", "", 0),
    ] {
        let begun = Instant::now();
        let mut stream = node.connect();
        stream.write_all(bytes.as_bytes()).expect("send");
        let reply = receive(&mut stream);
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{name}");
    }
}

#[test]
fn a_flood_is_answered_or_told_to_come_back() {
    // A caller that gets no processor for long is not what this is about.
    let limits = Limits {
        header: Duration::from_secs(60),
        ..Limits::default()
    };
    let (now, most) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let seen = Arc::clone(&most);
    let node = Node::with_limits(limits, move |root, _, stream| {
        seen.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
        thread::sleep(Duration::from_millis(50));
        // Before the answer: with it the next one may begin.
        now.fetch_sub(1, SeqCst);
        say(stream, &output(root).1);
    });
    let replies: Vec<_> = thread::scope(|scope| {
        let askers: Vec<_> = (0..60)
            .map(|_| scope.spawn(|| node.get("/gather_runtime_info")))
            .collect();
        assert_eq!(node.get("/healthz").body, "ok", "health is answered meanwhile");
        askers.into_iter().map(|asker| asker.join().expect("asker")).collect()
    });
    let with = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    assert!(with(200) >= 4, "{} answered", with(200));
    assert!(with(503) >= 1, "{} told to come back", with(503));
    let odd: Vec<_> = replies.iter().filter(|r| ![200, 503].contains(&r.status)).collect();
    assert_eq!(with(200) + with(503), 60, "{odd:?}");
    for reply in replies.iter().filter(|reply| reply.status == 503) {
        assert_eq!(reply.header("Retry-After"), Some("10"));
        assert_eq!(reply.body, "Too many requests are being worked on\n");
    }
    assert_eq!(most.load(SeqCst), 1, "one extraction at a time");
    assert_eq!(node.left_over(), NONE);
}

#[test]
fn an_extractor_that_is_too_slow_is_given_up_and_its_directory_removed_later() {
    let limits = Limits {
        answer: Duration::from_millis(300),
        ..Limits::default()
    };
    let node = Node::with_limits(limits, |root, _, stream| {
        let (_, line) = output(root);
        thread::sleep(Duration::from_secs(2));
        say(stream, &line);
    });
    let reply = node.get("/gather_runtime_info");
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (504, "The extractor did not answer in time\n")
    );
    assert_eq!(node.left_over(), NONE);
}

#[test]
fn the_directory_is_removed_when_the_caller_goes_away() {
    let node = Node::new(|root, _, stream| {
        let (_, line) = output(root);
        thread::sleep(Duration::from_millis(300));
        say(stream, &line);
    });
    let mut stream = node.connect();
    stream
        .write_all(b"GET /gather_runtime_info HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("send");
    thread::sleep(Duration::from_millis(100));
    stream.shutdown(Shutdown::Both).expect("close");
    drop(stream);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(node.left_over(), NONE);
}

#[test]
fn garbage_instead_of_http_ends_the_connection() {
    let node = Node::new(|_, _, stream| say(stream, ""));
    for bytes in [b"\x16\x03\x01\x02\x00\x01\x00".as_slice(), b"GET\r\n\r\n", &[0; 64]] {
        let mut stream = node.connect();
        stream.write_all(bytes).expect("send");
        stream.shutdown(Shutdown::Write).expect("half close");
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        assert!(
            reply.is_empty() || reply.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&reply)
        );
    }
    let long = format!(
        "GET /gather_runtime_info?x={} HTTP/1.1\r\nHost: x\r\n\r\n",
        "x".repeat(100_000)
    );
    let mut stream = node.connect();
    let _ = stream.write_all(long.as_bytes());
    let status = receive(&mut stream).status;
    assert!(
        status == 0 || (400..500).contains(&status),
        "an endless header: {status}"
    );
    assert_eq!(node.get("/healthz").status, 200);
}

#[test]
fn what_a_killed_predecessor_left_is_removed_at_start() {
    let root = tempfile::tempdir().expect("temporary folder");
    for name in ["out-1", "out-2", "keep"] {
        fs::create_dir_all(root.path().join("data").join(name).join("7")).expect("folder");
    }
    let old = std::time::SystemTime::now() - Duration::from_secs(3600);
    for name in ["out-1", "keep"] {
        let folder = fs::File::open(root.path().join("data").join(name)).expect("open");
        folder.set_times(fs::FileTimes::new().set_modified(old)).expect("times");
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("listen");
    let settings = exporter::server::Settings {
        extractor: support::free_address(),
        root: root.path().to_owned(),
        limits: Limits::default(),
    };
    exporter::server::serve(listener, settings, async {}).expect("serve");
    let exists = |name: &str| root.path().join("data").join(name).exists();
    assert_eq!((exists("out-1"), exists("out-2"), exists("keep")), (false, true, true));
}
