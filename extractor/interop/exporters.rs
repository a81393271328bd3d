//! Exporters as a node runs them, ours or the reference: for the tests of both crates.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The reference exporter, built once for each test program.
pub fn reference_program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reference-exporter");
        let built = Command::new("go")
            .args(["build", "-buildvcs=false", "-o"])
            .arg(&path)
            .arg(".")
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../interop/reference"))
            .env("CGO_ENABLED", "0")
            .status();
        assert!(built.expect("these tests run go: install it").success());
        path
    })
}

/// A running exporter. It ends with this value.
pub struct Exporter {
    child: Child,
    pub address: SocketAddr,
}

impl Exporter {
    /// In front of that extractor, whose answers are below that root; as the user and group given, else as this process.
    pub fn start(program: &Path, extractor: SocketAddr, root: &Path, user: Option<(u32, u32)>) -> Self {
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port");
        // That user may not be allowed into the folder that holds the program. Copied by another process: a descriptor open for
        // writing that some other test's fork inherits from this one would keep the copy from being executed.
        let copy = root.join(format!("exporter-{}", address.port()));
        let copied = Command::new("cp").args([program, copy.as_path()]).status();
        assert!(copied.expect("run cp").success());
        let mut command = Command::new(&copy);
        command
            .args(["-bind", "127.0.0.1", "-port", &address.port().to_string()])
            .args(["-extractor", &extractor.to_string(), "-root"])
            .arg(root)
            .stderr(Stdio::null());
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        let child = command.spawn().expect("run the exporter");
        let begun = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "it does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Self { child, address }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
