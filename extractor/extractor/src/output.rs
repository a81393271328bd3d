//! The directories and files of an answer. All of them are made here, in the parent; nothing here is ever read back.

use std::ffi::CString;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use node::links::Place;
use node::sys;

const DIR_MODE: u32 = 0o2770;
const FILE_MODE: u32 = 0o640;
const STICKY: u32 = 0o1000;
const PERMISSIONS: u32 = 0o7777;
const MAX_DEPTH: usize = 4;
const MAX_SWEPT: usize = 100_000;

/// Where answers are put: `data/` below the root.
pub struct Data {
    path: PathBuf,
    last: u64,
}

/// One answer.
pub struct Answer {
    dir: OwnedFd,
    /// As the reply names it: `data/out-<nanoseconds>`.
    pub name: String,
}

/// The directory of one container in an answer. It stays the same one, whatever the exporter puts in its place.
pub struct Folder(OwnedFd);

/// The files that one child may write.
pub struct Files {
    /// Everything about this user's processes.
    pub detail: OwnedFd,
    /// The three files as upstream has them.
    pub upstream: Upstream,
}

/// Files of upstream's form. There is one of each for a container, so those of its second user and further ones have names
/// of their own until theirs is known to be the better answer.
pub struct Upstream {
    /// `os.txt`
    pub os: OwnedFd,
    /// `runtime-kind.txt`
    pub kind: OwnedFd,
    /// `runtimes-fingerprints.txt`
    pub runtimes: OwnedFd,
}

const UPSTREAM: [&str; 3] = ["os.txt", "runtime-kind.txt", "runtimes-fingerprints.txt"];

/// Upstream's exporter passes over files of such names.
fn name_of_its_own(index: usize, uid: u32) -> String {
    format!("{}-{uid}.txt", ["os", "kind", "runtimes"][index])
}

fn text(name: impl Into<Vec<u8>>) -> io::Result<CString> {
    Ok(CString::new(name)?)
}

fn open_dir(dir: BorrowedFd, name: &str) -> io::Result<OwnedFd> {
    sys::open_at(
        dir,
        &text(name)?,
        libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW,
        0,
    )
}

impl Data {
    /// At `data/` below the root.
    pub fn new(root: &Path) -> Self {
        Self {
            path: root.join("data"),
            last: 0,
        }
    }

    /// Lets its group remove answers: a volume in memory has the sticky bit, by which only the owner of an entry may.
    pub fn share(&self) -> io::Result<()> {
        let data = File::open(&self.path)?;
        let mode = data.metadata()?.mode();
        if mode & STICKY == 0 {
            return Ok(());
        }
        data.set_permissions(Permissions::from_mode(mode & PERMISSIONS & !STICKY))
    }

    /// Removes the answers that are older than that, which nobody will fetch; how many. What cannot be removed stays.
    pub fn sweep(&self, age: Duration) -> io::Result<usize> {
        let data = File::open(&self.path)?;
        let newest = now().saturating_sub(u64::try_from(age.as_nanos()).unwrap_or(u64::MAX));
        let mut names = Vec::new();
        sys::each_name(data.as_fd(), |name| {
            let number = name
                .strip_prefix(b"out-")
                .and_then(|number| std::str::from_utf8(number).ok());
            if number.is_some_and(|number| number.parse().is_ok_and(|made: u64| made <= newest)) {
                names.push(name.to_vec());
            }
            names.len() < MAX_SWEPT
        })?;
        let removed = names
            .iter()
            .filter(|name| remove(data.as_fd(), name, MAX_DEPTH).is_ok());
        Ok(removed.count())
    }

    /// Removes the answer that nobody will hear of.
    pub fn withdraw(&self, answer: &Answer) {
        let name = answer.name.trim_start_matches("data/").as_bytes();
        let removed = File::open(&self.path).and_then(|data| remove(data.as_fd(), name, MAX_DEPTH));
        if let Err(problem) = removed {
            crate::log::warn(&format!("Removing an answer: {problem}"));
        }
    }

    /// Makes the directory of a new answer. Its name is the time and greater than any before; its group that of `data/`.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let data = File::open(&self.path)?;
        let group = sys::status(data.as_fd())?.group;
        for _ in 0..16 {
            self.last = now().max(self.last.saturating_add(1));
            let name = format!("out-{}", self.last);
            match sys::make_dir_at(data.as_fd(), &text(name.as_str())?, DIR_MODE) {
                Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            let dir = open_dir(data.as_fd(), &name)?;
            // From here on group and mode are handed down by the directory.
            sys::set_group_and_mode(dir.as_fd(), group, DIR_MODE)?;
            return Ok(Answer {
                dir,
                name: format!("data/{name}"),
            });
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// Nanoseconds since the epoch.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(0)
}

/// Removes an entry with what is below it; links are removed, not followed.
fn remove(dir: BorrowedFd, name: &[u8], depth: usize) -> io::Result<()> {
    let name = text(name)?;
    match sys::remove_at(dir, &name, false) {
        Err(problem) if problem.raw_os_error() == Some(libc::EISDIR) && depth > 0 => {}
        done => return done,
    }
    let inner = sys::open_at(dir, &name, libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW, 0)?;
    let mut names = Vec::new();
    sys::each_name(inner.as_fd(), |name| {
        names.push(name.to_vec());
        names.len() < MAX_SWEPT
    })?;
    for name in &names {
        match remove(inner.as_fd(), name, depth - 1) {
            // The exporter removes answers, too.
            Err(problem) if problem.kind() != io::ErrorKind::NotFound => return Err(problem),
            _ => {}
        }
    }
    sys::remove_at(dir, &name, true)
}

impl Answer {
    /// Makes the directory of a container, named after a pid, and the file that says which container it is.
    pub fn container(&self, pid: u32, reference: &str, place: &Place) -> io::Result<Folder> {
        let name = pid.to_string();
        sys::make_dir_at(self.dir.as_fd(), &text(name.as_str())?, DIR_MODE)?;
        let folder = Folder(open_dir(self.dir.as_fd(), &name)?);
        let Place {
            pod,
            namespace,
            container,
        } = place;
        let info = format!(
            "container-id={reference}\ncontainer-name={container}\npod-name={pod}\npod-namespace={namespace}\n"
        );
        File::from(folder.file("container-info.txt")?).write_all(info.as_bytes())?;
        Ok(folder)
    }
}

impl Folder {
    /// Makes the files that a child for that user of the container may write.
    pub fn files(&self, uid: u32, is_first: bool) -> io::Result<Files> {
        let upstream = |index: usize| match is_first {
            true => self.file(UPSTREAM[index]),
            false => self.file(&name_of_its_own(index, uid)),
        };
        Ok(Files {
            detail: self.file(&format!("detail-{uid}.txt"))?,
            upstream: Upstream {
                os: upstream(0)?,
                kind: upstream(1)?,
                runtimes: upstream(2)?,
            },
        })
    }

    /// Of a user that is not the first: its files of upstream's form take the place of those that are there, or go.
    pub fn settle(&self, uid: u32, is_better: bool) -> io::Result<()> {
        for (index, name) in UPSTREAM.into_iter().enumerate() {
            let own = text(name_of_its_own(index, uid))?;
            match is_better {
                true => sys::rename_at(self.0.as_fd(), &own, &text(name)?)?,
                false => sys::remove_at(self.0.as_fd(), &own, false)?,
            }
        }
        Ok(())
    }

    fn file(&self, name: &str) -> io::Result<OwnedFd> {
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
        sys::open_at(self.0.as_fd(), &text(name)?, flags, FILE_MODE)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Root(PathBuf);

    impl Drop for Root {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("remove the folder");
        }
    }

    fn root(name: &str) -> Root {
        let path = std::env::temp_dir().join(format!("output-test-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("data")).expect("make the folder");
        Root(path)
    }

    fn place() -> Place {
        Place {
            pod: "web-0".into(),
            namespace: "shop".into(),
            container: "app".into(),
        }
    }

    #[test]
    fn an_answer_has_the_group_and_modes_that_its_reader_needs() {
        sys::set_umask(0);
        let root = root("modes");
        let group = fs::metadata(root.0.join("data")).expect("status").gid();
        let answer = Data::new(&root.0).answer().expect("an answer");
        let folder = answer.container(42, "cri-o://id", &place()).expect("a container");
        drop(folder.files(1000, true).expect("files"));
        let path = root.0.join(&answer.name);
        for (name, mode) in [
            ("", 0o42770),
            ("42", 0o42770),
            ("42/container-info.txt", 0o100_640),
            ("42/os.txt", 0o100_640),
            ("42/runtime-kind.txt", 0o100_640),
            ("42/runtimes-fingerprints.txt", 0o100_640),
            ("42/detail-1000.txt", 0o100_640),
        ] {
            let status = fs::metadata(path.join(name)).expect(name);
            assert_eq!((status.mode(), status.gid()), (mode, group), "{name}");
        }
        let info = fs::read_to_string(path.join("42/container-info.txt")).expect("read");
        assert_eq!(
            info,
            "container-id=cri-o://id\ncontainer-name=app\npod-name=web-0\npod-namespace=shop\n"
        );
        assert!(folder.files(1000, false).is_err(), "a file is never opened again");
    }

    #[test]
    fn of_several_users_the_better_answer_has_the_names_that_upstream_knows() {
        let root = root("users");
        let answer = Data::new(&root.0).answer().expect("an answer");
        let folder = answer.container(42, "cri-o://id", &place()).expect("a container");
        for (uid, is_better) in [(0, None), (1000, Some(true)), (1001, Some(false))] {
            let upstream = folder.files(uid, is_better.is_none()).expect("files").upstream;
            for (file, name) in [
                (upstream.os, "os"),
                (upstream.kind, "kind"),
                (upstream.runtimes, "runtimes"),
            ] {
                write!(File::from(file), "{name} of {uid}").expect("write");
            }
            if let Some(is_better) = is_better {
                folder.settle(uid, is_better).expect("settle");
            }
        }
        let path = root.0.join(&answer.name).join("42");
        let mut files: Vec<_> = fs::read_dir(&path)
            .expect("list")
            .map(|entry| entry.expect("entry").file_name().into_string().expect("text"))
            .filter(|name| !name.starts_with("detail-") && name != "container-info.txt")
            .map(|name| format!("{name}: {}", fs::read_to_string(path.join(&name)).expect("read")))
            .collect();
        files.sort();
        assert_eq!(
            files,
            [
                "os.txt: os of 1000",
                "runtime-kind.txt: kind of 1000",
                "runtimes-fingerprints.txt: runtimes of 1000"
            ]
        );
    }

    #[test]
    fn names_only_grow_even_when_the_clock_does_not() {
        let root = root("names");
        let mut data = Data {
            last: u64::MAX - 5,
            ..Data::new(&root.0)
        };
        let number = |answer: Answer| {
            answer
                .name
                .trim_start_matches("data/out-")
                .parse::<u64>()
                .expect("a number")
        };
        let first = number(data.answer().expect("an answer"));
        assert!(number(data.answer().expect("an answer")) > first);
    }

    #[test]
    fn a_container_whose_directory_is_swapped_for_a_link_is_written_where_it_was_made() {
        let root = root("swap");
        let answer = Data::new(&root.0).answer().expect("an answer");
        let folder = answer.container(42, "cri-o://id", &place()).expect("a container");
        let path = root.0.join(&answer.name);
        fs::create_dir(root.0.join("outside")).expect("make");
        fs::rename(path.join("42"), path.join("away")).expect("rename");
        symlink(root.0.join("outside"), path.join("42")).expect("link");
        drop(folder.files(1000, true).expect("files"));
        assert_eq!(fs::read_dir(root.0.join("outside")).expect("list").count(), 0);
        assert!(path.join("away/detail-1000.txt").exists());
    }

    #[test]
    fn an_answer_is_withdrawn_with_all_that_is_in_it() {
        let root = root("withdraw");
        let mut data = Data::new(&root.0);
        let answer = data.answer().expect("an answer");
        answer.container(42, "cri-o://id", &place()).expect("a container");
        data.withdraw(&answer);
        assert!(!root.0.join(&answer.name).exists());
    }

    #[test]
    fn a_volume_with_the_sticky_bit_is_one_whose_answers_the_group_may_remove() {
        let root = root("share");
        let data = root.0.join("data");
        for (before, after) in [(0o3777, 0o2777), (0o1770, 0o770), (0o2770, 0o2770)] {
            fs::set_permissions(&data, Permissions::from_mode(before)).expect("set");
            Data::new(&root.0).share().expect("share");
            assert_eq!(
                fs::metadata(&data).expect("data").mode() & PERMISSIONS,
                after,
                "{before:o}"
            );
        }
    }

    #[test]
    fn old_answers_are_swept_without_following_links() {
        let root = root("sweep");
        let data = root.0.join("data");
        fs::create_dir_all(data.join("out-1/7")).expect("make");
        fs::write(data.join("out-1/7/os.txt"), "").expect("write");
        fs::create_dir(root.0.join("outside")).expect("make");
        fs::write(root.0.join("outside/keep"), "").expect("write");
        symlink("../outside", data.join("out-2")).expect("link");
        symlink("../../outside", data.join("out-1/link")).expect("link");
        fs::write(data.join("other"), "").expect("write");
        let new = format!("out-{}", now());
        fs::create_dir(data.join(&new)).expect("make");
        fs::create_dir_all(data.join("out-3/a/b/c/d/e/f")).expect("make");
        let swept = Data::new(&root.0).sweep(Duration::from_secs(600));
        assert_eq!(swept.expect("sweep"), 2, "the deep one stays and stops nothing");
        assert!(data.join(&new).exists(), "somebody may still fetch this one");
        fs::remove_dir(data.join(&new)).expect("remove");
        fs::remove_dir_all(data.join("out-3")).expect("remove");
        assert!(root.0.join("outside/keep").exists() && data.join("other").exists());
        assert_eq!(fs::read_dir(&data).expect("list").count(), 1);
    }
}
