//! One pass over the process table: which processes belong to the containers that are wanted.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use crate::cgroup::{self, ContainerId, Engine};
use crate::credentials::{self, Credentials};
use crate::links::{self, Place, Places};
use crate::stat::{self, Stat};
use crate::sys;

/// Processes of containers beyond this number are left out, so that a flood of them costs no memory.
const MAX_PROCESSES: usize = 16 * 1024;
/// Processes of one container beyond this number are left out, so that its flood does not hide the others.
const MAX_PROCESSES_EACH: u16 = 1024;
/// Links beyond this number are not looked at.
const MAX_LINKS: usize = 16 * 1024;
/// Different users of one container beyond this number are left out.
const MAX_USERS: usize = 16;
const BUFFER_BYTES: usize = 8 * 1024;

/// A process of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// As the host numbers it.
    pub pid: u32,
    /// Clock ticks since boot at its start; with the pid this names it for good.
    pub start: u64,
    /// The process that started it, or that adopted it.
    pub parent: u32,
    /// Its real user, as the host numbers it.
    pub uid: u32,
    /// Whether another process of the container is its child.
    pub has_children: bool,
}

/// A container with live processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// Its bare ID.
    pub id: ContainerId,
    /// Where it belongs.
    pub place: Place,
    /// The engine, when the name of the control group tells it.
    pub engine: Option<Engine>,
    /// Its processes, the oldest first.
    pub processes: Vec<Process>,
    /// Who they run as, the user of the oldest process first; each as that user's oldest process has it.
    pub users: Vec<Credentials>,
}

/// What one pass saw.
#[derive(Debug, Default)]
pub struct Table {
    /// The wanted containers in the order of their IDs.
    pub containers: Vec<Container>,
    /// How many processes the node has.
    pub processes: usize,
    /// Whether time or room ran out before the end of the table.
    pub is_partial: bool,
}

/// Reads small files of `/proc` into one buffer, each with one read.
struct Reader<'a> {
    proc: BorrowedFd<'a>,
    buffer: [u8; BUFFER_BYTES],
}

impl Reader<'_> {
    fn read(&mut self, pid: u32, name: &str) -> io::Result<&[u8]> {
        read_small(self.proc, &format!("{pid}/{name}"), &mut self.buffer)
    }
}

fn read_small<'a>(dir: BorrowedFd, path: &str, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let path = CString::new(path)?;
    let file = sys::open_at(dir, &path, libc::O_RDONLY, 0)?;
    let length = sys::read(file.as_fd(), buffer)?;
    Ok(&buffer[..length])
}

/// The containers that the names in this directory tell of.
pub fn places(dir: BorrowedFd) -> io::Result<Places> {
    let (mut found, mut refused) = (Vec::new(), 0);
    sys::each_name(dir, |name| {
        match links::parse(name) {
            Some(place) => found.push(place),
            None => refused += 1,
        }
        found.len() < MAX_LINKS && refused < MAX_LINKS
    })?;
    Ok(Places::new(found, refused))
}

/// The processes of the containers in `places`, from the process table at `proc`. A process that is not wanted costs one
/// small read; one that vanishes meanwhile is left out.
pub fn scan(proc: BorrowedFd, places: &Places, until: Instant) -> io::Result<Table> {
    let mut reader = Reader {
        proc,
        buffer: [0; BUFFER_BYTES],
    };
    let mut table = Table::default();
    let mut pids = Vec::new();
    sys::each_name(proc, |name| {
        let is_number = name.first().is_some_and(|byte| (b'1'..=b'9').contains(byte));
        if let (true, Ok(name)) = (is_number, std::str::from_utf8(name)) {
            pids.extend(name.parse::<u32>());
        }
        true
    })?;
    table.processes = pids.len();
    let mut found: Vec<Member> = Vec::new();
    let mut counts = vec![0_u16; places.len()];
    for (index, pid) in pids.into_iter().enumerate() {
        if found.len() >= MAX_PROCESSES || (index % 64 == 0 && Instant::now() >= until) {
            table.is_partial = true;
            break;
        }
        let Some(member) = member(&mut reader, pid, places) else {
            continue;
        };
        if counts[member.index] < MAX_PROCESSES_EACH {
            counts[member.index] += 1;
            found.push(member);
        }
    }
    table.containers = containers(found, places);
    Ok(table)
}

/// A process and where its container stands in the order.
struct Member {
    index: usize,
    engine: Option<Engine>,
    process: Process,
    credentials: Credentials,
}

fn member(reader: &mut Reader, pid: u32, places: &Places) -> Option<Member> {
    let text = reader.read(pid, "cgroup").ok()?;
    let (id, engine) = cgroup::container(text, |id| places.index(id).is_some())?;
    let Stat {
        is_dead, parent, start, ..
    } = stat::parse(reader.read(pid, "stat").ok()?)?;
    let credentials = credentials::parse(reader.read(pid, "status").ok()?)?;
    let process = Process {
        pid,
        start,
        parent,
        uid: credentials.uid,
        has_children: false,
    };
    (!is_dead).then_some(Member {
        index: places.index(&id)?,
        engine,
        process,
        credentials,
    })
}

fn containers(mut members: Vec<Member>, places: &Places) -> Vec<Container> {
    members.sort_unstable_by_key(|member| (member.index, member.process.start, member.process.pid));
    let mut containers: Vec<Container> = Vec::new();
    for group in members.chunk_by(|a, b| a.index == b.index) {
        let Some((id, place)) = places.get(group[0].index) else {
            continue;
        };
        let mut parents: Vec<u32> = group.iter().map(|member| member.process.parent).collect();
        parents.sort_unstable();
        let mut users: Vec<Credentials> = Vec::new();
        let mut processes = Vec::new();
        for Member {
            process, credentials, ..
        } in group
        {
            if !users.iter().any(|user| user.uid == process.uid) {
                if users.len() >= MAX_USERS {
                    continue;
                }
                users.push(credentials.clone());
            }
            let has_children = parents.binary_search(&process.pid).is_ok();
            processes.push(Process {
                has_children,
                ..process.clone()
            });
        }
        let engine = group.iter().find_map(|member| member.engine);
        containers.push(Container {
            id: *id,
            place: place.clone(),
            engine,
            processes,
            users,
        });
    }
    containers
}

/// The engine of a container: as its control group's name tells, else as its parent on the host does; CRI-O when neither
/// is known.
pub fn engine(proc: BorrowedFd, container: &Container) -> Engine {
    let helper = || {
        let mut buffer = [0; 1024];
        let parent = container.processes.first()?.parent;
        let stat = stat::parse(read_small(proc, &format!("{parent}/stat"), &mut buffer).ok()?)?;
        Engine::of_helper(&stat.name)
    };
    container.engine.or_else(helper).unwrap_or(Engine::CriO)
}

/// The directory of the process in `/proc`, none when it is gone. Holding it pins the process: what is opened through it
/// belongs to this process or cannot be opened, even when another one gets its number.
pub fn open(proc: BorrowedFd, process: &Process) -> Option<OwnedFd> {
    let name = CString::new(process.pid.to_string()).ok()?;
    let dir = sys::open_at(proc, &name, libc::O_PATH | libc::O_DIRECTORY, 0).ok()?;
    is_same(dir.as_fd(), process).then_some(dir)
}

/// Whether the directory is that of the process as the table has it, and not of a later one with its number.
fn is_same(process_dir: BorrowedFd, process: &Process) -> bool {
    let mut buffer = [0; 1024];
    let text = read_small(process_dir, "stat", &mut buffer);
    let stat = text.ok().and_then(stat::parse);
    stat.is_some_and(|stat| stat.start == process.start && !stat.is_dead)
}

#[cfg(test)]
#[path = "table_test.rs"]
mod tests;
