//! A node of folders and threads: a fake extractor that writes directories, and the exporter in front of it.
#![allow(dead_code, missing_docs)]

#[path = "../../../interop/exporters.rs"]
pub mod exporters;
pub mod random;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use exporter::limits::Limits;
use exporter::server::{Settings, serve};
use exporters::{Exporter, reference_program};

/// What the fake extractor does with a request's text, given the root and the connection.
pub type Behaviour = dyn Fn(&Path, &str, &mut TcpStream) + Send + Sync;

pub struct Node {
    pub root: tempfile::TempDir,
    pub exporter: SocketAddr,
    pub extractor: SocketAddr,
    pub questions: Arc<Mutex<Vec<String>>>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    server: Option<thread::JoinHandle<()>>,
}

impl Node {
    pub fn new(behaviour: impl Fn(&Path, &str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::with_limits(Limits::default(), behaviour)
    }

    pub fn with_limits(
        limits: Limits,
        behaviour: impl Fn(&Path, &str, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let root = tempfile::tempdir().expect("temporary folder");
        fs::create_dir(root.path().join("data")).expect("data folder");
        let (extractor, questions) = fake_extractor(root.path().to_owned(), Arc::new(behaviour));
        Self::start(root, extractor, limits, questions)
    }

    /// A node on which nothing listens at the extractor's address.
    pub fn without_extractor() -> Self {
        let root = tempfile::tempdir().expect("temporary folder");
        fs::create_dir(root.path().join("data")).expect("data folder");
        Self::start(root, free_address(), Limits::default(), Arc::default())
    }

    fn start(
        root: tempfile::TempDir,
        extractor: SocketAddr,
        limits: Limits,
        questions: Arc<Mutex<Vec<String>>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let exporter = listener.local_addr().expect("address");
        let settings = Settings {
            extractor,
            root: root.path().to_owned(),
            limits,
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let server = thread::spawn(move || {
            serve(listener, settings, async {
                let _ = stopped.await;
            })
            .expect("serve");
        });
        Self {
            root,
            exporter,
            extractor,
            questions,
            stop: Some(stop),
            server: Some(server),
        }
    }

    pub fn connect(&self) -> TcpStream {
        connect(self.exporter)
    }

    pub fn ask(&self, request: &str) -> Reply {
        ask(self.exporter, request)
    }

    pub fn get(&self, path: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
    }

    /// The reference exporter beside ours: it asks the same extractor and reads the same directories.
    pub fn reference(&self) -> Exporter {
        Exporter::start(reference_program(), self.extractor, self.root.path(), None)
    }

    pub fn post(&self, path: &str, body: &str) -> Reply {
        let length = body.len();
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    pub fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").body;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{series} in {text}"))
            .parse()
            .expect("number")
    }

    /// What is left in the data folder, after giving the exporter a moment to remove things.
    pub fn left_over(&self) -> Vec<PathBuf> {
        let list = || -> Vec<PathBuf> {
            let entries = fs::read_dir(self.root.path().join("data")).expect("data folder");
            entries.map(|entry| entry.expect("entry").path()).collect()
        };
        for _ in 0..250 {
            if list().is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(20));
        }
        list()
    }

    pub fn asked(&self) -> Vec<String> {
        self.questions.lock().expect("lock").clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
        if let Some(server) = self.server.take() {
            let ended = server.join();
            if !thread::panicking() {
                ended.expect("the server ends without a panic");
            }
        }
    }
}

pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("address")
}

fn fake_extractor(root: PathBuf, behaviour: Arc<Behaviour>) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
    let address = listener.local_addr().expect("address");
    let questions = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&questions);
    // Ends with the test's process.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("accept");
            let (seen, root, behaviour) = (Arc::clone(&seen), root.clone(), Arc::clone(&behaviour));
            thread::spawn(move || {
                let mut text = String::new();
                stream
                    .read_to_string(&mut text)
                    .expect("a question up to the end of the stream");
                seen.lock().expect("lock").push(text.clone());
                behaviour(&root, &text, &mut stream);
            });
        }
    });
    (address, questions)
}

fn connect(exporter: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(exporter).expect("connect");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("timeout");
    stream
}

/// The reply of the exporter at that address.
pub fn ask(exporter: SocketAddr, request: &str) -> Reply {
    let mut stream = connect(exporter);
    stream.write_all(request.as_bytes()).expect("send");
    receive(&mut stream)
}

/// The body that the exporter at that address answers to a GET.
pub fn get(exporter: SocketAddr, path: &str) -> Reply {
    ask(
        exporter,
        &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
    )
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// The reply up to the end of the connection; status 0 when there was none.
pub fn receive(stream: &mut TcpStream) -> Reply {
    let mut bytes = Vec::new();
    // A connection that is reset after its reply still has a reply.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).expect("UTF-8");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    Reply {
        status,
        head: head.replace("\r\n", "\n"),
        body: body.to_owned(),
    }
}

static NEXT: AtomicU64 = AtomicU64::new(1_700_000_000_000_000_000);

/// A fresh output directory: its path, and the line that names it.
pub fn output(root: &Path) -> (PathBuf, String) {
    let name = format!("data/out-{}", NEXT.fetch_add(1, Ordering::SeqCst));
    fs::create_dir(root.join(&name)).expect("output directory");
    (root.join(&name), format!("{name}\n\n"))
}

/// Writes the files of one container's directory.
pub fn container(output: &Path, pid: &str, files: &[(&str, &str)]) {
    let folder = output.join(pid);
    fs::create_dir(&folder).expect("container directory");
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("file");
    }
}

pub fn info(namespace: &str, pod: &str, reference: &str) -> String {
    format!("container-id={reference}\npod-name={pod}\npod-namespace={namespace}\n")
}

pub fn say(stream: &mut TcpStream, text: &str) {
    // The exporter may have given up.
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
}

/// The bytes of an answer without the key `detail` of each container.
pub fn without_detail(body: &str) -> String {
    const CONTAINER: usize = 4;
    let (mut depth, mut in_string, mut is_escaped, mut is_hidden) = (0, false, false, false);
    let mut shown = String::new();
    for (index, character) in body.char_indices() {
        let begins = depth == CONTAINER && !in_string && body[index..].starts_with("\"detail\":{");
        if begins {
            is_hidden = true;
            shown.truncate(shown.trim_end_matches(',').len());
        }
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => in_string = !in_string,
            '{' if !in_string => depth += 1,
            '}' if !in_string => depth -= 1,
            _ => {}
        }
        if !is_hidden {
            shown.push(character);
        }
        // The object of the details has ended.
        if is_hidden && depth == CONTAINER && character == '}' && !in_string {
            is_hidden = false;
        }
    }
    shown
}
