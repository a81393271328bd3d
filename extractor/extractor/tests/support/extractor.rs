//! The extractor under test, and what it says.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::{Container, Folder, require_root, wait_until};

/// The extractor's program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_extractor_server");

/// Arguments by which whatever holds a child up does so for a minute: what is answered long before was not held up, however busy the machine.
pub const PATIENT: [&str; 4] = ["--container-timeout", "60s", "--scan-timeout", "60s"];
/// Before this there is the answer of a patient extractor that nothing holds up.
pub const PROMPT: Duration = Duration::from_secs(20);

/// A running extractor. It ends with this value.
pub struct Extractor {
    child: Child,
    pub port: u16,
    root: PathBuf,
}

/// What a container's directory says: keys and values of upstream's files, and the lines of each user's details.
#[derive(Debug, Default)]
pub struct Answer {
    pub values: BTreeMap<String, String>,
    pub detail: String,
    /// Whose details there are.
    pub users: Vec<u32>,
}

impl Answer {
    pub fn value(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    /// Kind, version and implementer.
    pub fn kind(&self) -> (&str, &str, &str) {
        (
            self.value("runtime-kind"),
            self.value("runtime-kind-version"),
            self.value("runtime-kind-implementer"),
        )
    }
}

/// A port that nobody listens on, and below those that the kernel gives to whoever connects: of these one may go to another test's
/// connection before the extractor has it, or to the one that waits for the extractor, which then speaks to itself.
fn free_port() -> u16 {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id() * 101;
    (0..20_000)
        .map(|_| first.wrapping_add(TRIED.fetch_add(1, Ordering::Relaxed)) % 20_000 + 10_000)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
        .expect("a port")
}

/// By the kernel's table: a connection would be a request, and write an answer sooner or later.
fn is_listening(port: u16) -> bool {
    let local = format!("0100007F:{port:04X} 00000000:0000 0A");
    fs::read_to_string("/proc/net/tcp").expect("sockets").contains(&local)
}

impl Extractor {
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::start_as(folder, &[], arguments)
    }

    /// Starts it by a program that changes what it may do, such as `setpriv` with its options.
    pub fn start_as(folder: &Folder, by: &[&str], arguments: &[&str]) -> Self {
        require_root();
        let port = free_port();
        let words = by.iter().chain(&[PROGRAM]).collect::<Vec<_>>();
        let child = Command::new(words[0])
            .args(&words[1..])
            .args(["--port", &port.to_string(), "--links"])
            .arg(folder.0.join("links"))
            .args(arguments)
            .current_dir(&folder.0)
            .spawn()
            .expect("run the extractor");
        wait_until("the extractor listens", || is_listening(port));
        Self {
            child,
            port,
            root: folder.0.clone(),
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends bytes, closes the sending side, and reads what comes.
    pub fn send(&self, request: &[u8]) -> Vec<u8> {
        self.try_send(request).expect("connect")
    }

    /// As `send`; an error when it does not listen any more.
    pub fn try_send(&self, request: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("set a timeout");
        // An extractor that has enough closes before everything is sent.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        Ok(reply)
    }

    /// The answers by container ID.
    pub fn ask(&self, request: &str) -> BTreeMap<String, Answer> {
        let reply = String::from_utf8(self.send(request.as_bytes())).expect("text");
        let name = reply.strip_suffix("\n\n").unwrap_or_else(|| panic!("reply {reply:?}"));
        assert!(name.starts_with("data/out-"), "reply {reply:?}");
        let mut answers = BTreeMap::new();
        for entry in fs::read_dir(self.root.join(name)).expect("answer") {
            let mut answer = Answer::default();
            for file in fs::read_dir(entry.expect("entry").path()).expect("container") {
                let path = file.expect("file").path();
                let text = fs::read_to_string(&path).expect("text");
                if path.file_name().expect("name").to_string_lossy().starts_with("detail-") {
                    answer.detail.push_str(&text);
                    let name = path.file_stem().expect("name").to_string_lossy();
                    answer
                        .users
                        .extend(name.strip_prefix("detail-").and_then(|uid| uid.parse::<u32>().ok()));
                } else {
                    let pairs = text.lines().filter_map(|line| line.split_once('='));
                    answer
                        .values
                        .extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
                }
            }
            let reference = answer.value("container-id").to_owned();
            answers.insert(reference, answer);
        }
        answers
    }

    /// The answer about one container.
    pub fn look_at(&self, container: &Container) -> Answer {
        let reference = format!("containerd://{}", container.id);
        self.ask(&reference)
            .remove(&reference)
            .expect("an answer about the container")
    }
}

impl Drop for Extractor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The children of a process.
pub fn children(parent: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    text.split_ascii_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

/// The fields of `/proc/<pid>/status`; none when the process is gone.
pub fn status(pid: u32) -> Option<BTreeMap<String, String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    let words = |value: &str| value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    Some(fields.map(|(key, value)| (key.to_owned(), words(value))).collect())
}

/// Sends a signal by its name.
pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(sent.expect("run kill").success(), "kill -{name} {pid}");
}

/// Watches how much memory an extractor and its children have, for as long as it lives.
pub struct Memory {
    watcher: Option<JoinHandle<u64>>,
    is_over: Arc<AtomicBool>,
}

impl Memory {
    pub fn watch(extractor: &Extractor) -> Self {
        let (pid, is_over) = (extractor.pid(), Arc::new(AtomicBool::new(false)));
        let is_enough = is_over.clone();
        let watcher = std::thread::spawn(move || {
            let mut most = 0;
            while !is_enough.load(Ordering::Relaxed) {
                let family = children(pid).into_iter().chain([pid]);
                most = most.max(family.map(proportional_memory).sum());
                std::thread::sleep(Duration::from_millis(2));
            }
            most
        });
        Self {
            watcher: Some(watcher),
            is_over,
        }
    }

    /// The most that they had together, in KiB: what is shared counts in parts.
    pub fn most(mut self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.watcher.take().expect("once").join().expect("the watcher")
    }
}

/// The process's PSS in KiB, nothing when it is gone.
fn proportional_memory(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok())
        .unwrap_or(0)
}
