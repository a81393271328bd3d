//! What travels over the connection, and what is in the directory.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Container, Extractor, Folder, Memory, Spec};

fn plain(name: &str) -> Spec<'_> {
    Spec {
        name,
        uid: 1000,
        setup: "",
        command: "sleep 1000",
        ..Spec::default()
    }
}

#[test]
fn everything_or_what_was_asked_for() {
    let folder = Folder::new();
    let (a, b) = (
        Container::start(&folder, &plain("a")),
        Container::start(&folder, &plain("b")),
    );
    let extractor = Extractor::start(&folder, &[]);
    let ids = |request: &str| extractor.ask(request).into_keys().collect::<Vec<_>>();
    let both = |prefix: &str| {
        let mut both = [&a.id, &b.id].map(|id| format!("{prefix}{id}"));
        both.sort();
        both.to_vec()
    };
    // Neither control group nor parent tells the engine here.
    assert_eq!(ids(""), both("cri-o://"), "empty: everything");
    assert_eq!(ids(" \n"), both("cri-o://"), "blank: everything");
    assert_eq!(ids(&a.id), [format!("cri-o://{}", a.id)]);
    assert_eq!(
        ids(&format!("containerd://{}, docker://{}\n", a.id, "0".repeat(64))),
        [format!("containerd://{}", a.id)]
    );
    assert_eq!(ids("--help"), [""; 0], "odd text names nothing");
    assert_eq!(ids(&"f".repeat(64)), [""; 0], "an unknown container");
}

#[test]
fn the_files_have_the_agreed_names_and_content() {
    let folder = Folder::new();
    let container = Container::start(&folder, &plain("web-0"));
    let extractor = Extractor::start(&folder, &[]);
    let reply = String::from_utf8(extractor.send(container.id.as_bytes())).expect("text");
    let dir = folder.0.join(reply.trim()).join(container.pids()[0].to_string());
    let mut names: Vec<_> = fs::read_dir(&dir)
        .expect("list")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
        .collect();
    names.sort();
    let expected = [
        "container-info.txt",
        "detail-1000.txt",
        "os.txt",
        "runtime-kind.txt",
        "runtimes-fingerprints.txt",
    ];
    assert_eq!(names, expected);
    let info = fs::read_to_string(dir.join("container-info.txt")).expect("read");
    let expected = format!(
        "container-id=cri-o://{}\ncontainer-name=app\npod-name=web-0\npod-namespace=test\n",
        container.id
    );
    assert_eq!(info, expected);
    let again = String::from_utf8(extractor.send(container.id.as_bytes())).expect("text");
    assert!(again > reply, "names grow: {reply} {again}");
}

#[test]
fn what_is_no_request_is_closed_without_a_byte_and_the_next_is_answered() {
    let folder = Folder::new();
    let extractor = Extractor::start(&folder, &[]);
    assert_eq!(extractor.send(b"\xff\xfe"), b"");
    assert_eq!(extractor.send(&vec![b'a'; 2 << 20]), b"", "too long");
    let memory = Memory::watch(&extractor);
    for byte in [b'a', b',', 0, 0xff] {
        assert_eq!(extractor.send(&vec![byte; 100 << 20]), b"", "100 MB");
    }
    let most = memory.most();
    assert!(most < 12 * 1024, "{most} KiB");
    assert!(extractor.send(b"").starts_with(b"data/out-"));
}

#[test]
fn a_client_that_says_nothing_holds_up_nobody() {
    let folder = Folder::new();
    let extractor = Extractor::start(&folder, &[]);
    let mut silent: Vec<_> = (0..3)
        .map(|_| TcpStream::connect(("127.0.0.1", extractor.port)).expect("connect"))
        .collect();
    silent[0].write_all(b"0123").expect("send");
    let begun = Instant::now();
    assert!(extractor.send(b"").starts_with(b"data/out-"));
    // A silent one is given up after five.
    assert!(
        begun.elapsed() < Duration::from_secs(4),
        "answered beside the silent ones"
    );
    let mut reply = Vec::new();
    silent[0].read_to_end(&mut reply).expect("closed after a while");
    assert!(reply.is_empty() && begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn many_clients_are_served_one_after_another() {
    let folder = Folder::new();
    let container = Container::start(&folder, &plain("a"));
    let extractor = Extractor::start(&folder, &[]);
    let replies: Vec<Vec<u8>> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..12)
            .map(|_| scope.spawn(|| extractor.send(container.id.as_bytes())))
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().expect("a reply"))
            .collect()
    });
    let mut names: Vec<_> = replies
        .into_iter()
        .map(|reply| String::from_utf8(reply).expect("text"))
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 12, "each its own directory: {names:?}");
}

#[test]
fn without_its_directory_it_answers_an_empty_line_and_goes_on() {
    let folder = Folder::new();
    let extractor = Extractor::start(&folder, &[]);
    fs::rename(folder.0.join("data"), folder.0.join("away")).expect("rename");
    assert_eq!(extractor.send(b""), b"\n");
    fs::rename(folder.0.join("away"), folder.0.join("data")).expect("rename");
    assert!(extractor.send(b"").starts_with(b"data/out-"));
}

#[test]
fn a_container_that_ends_is_no_failure() {
    let folder = Folder::new();
    let gone = Container::start(&folder, &plain("gone"));
    let stays = Container::start(&folder, &plain("stays"));
    let id = gone.id.clone();
    drop(gone);
    let extractor = Extractor::start(&folder, &[]);
    let answers = extractor.ask(&format!("{id},{}", stays.id));
    assert_eq!(
        answers.into_keys().collect::<Vec<_>>(),
        [format!("cri-o://{}", stays.id)]
    );
}

#[test]
fn it_says_what_it_is_and_what_it_cannot_do() {
    let run = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_extractor_server"))
            .args(arguments)
            .output()
            .expect("run")
    };
    assert!(String::from_utf8_lossy(&run(&["--help"]).stdout).starts_with("Tells which runtimes"));
    assert!(String::from_utf8_lossy(&run(&["--version"]).stdout).starts_with("extractor_server 0."));
    let odd = run(&["--frobnicate"]);
    assert_eq!(odd.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&odd.stderr).contains("Unknown option"));
}
