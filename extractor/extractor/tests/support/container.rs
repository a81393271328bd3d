//! Containers as an engine makes them, but for the engine: namespaces of their own, an overlay over this machine's root, a
//! control group named after the ID, a link as the kubelet leaves it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Folder, require_root, unique, wait_until};

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
