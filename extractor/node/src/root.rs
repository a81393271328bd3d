//! Reading files of a container without being led out of its root, held up, or made to touch a device.
//!
//! A path is first opened as a mere place (`O_PATH`), which runs no driver and waits for no writer of a FIFO. Only when
//! the kernel says that a regular file on a local file system lies there is that very file, not its path, opened again.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use crate::sys::{self, Status};

/// Why a file was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is none, or its process is gone.
    Missing,
    /// The container's user may not read it.
    Denied,
    /// A FIFO, device, socket or directory.
    NotRegular,
    /// On a file system that can keep a reader waiting: network, FUSE, or one that we do not know.
    Foreign,
    /// The bytes or the time that this container may cost are used up.
    Budget,
}

impl From<io::Error> for Refusal {
    fn from(problem: io::Error) -> Self {
        match problem.kind() {
            io::ErrorKind::PermissionDenied => Self::Denied,
            _ => Self::Missing,
        }
    }
}

/// What looking at one container may cost.
#[derive(Debug)]
pub struct Budget {
    bytes: u64,
    until: Instant,
}

impl Budget {
    /// That many bytes until that time.
    pub fn new(bytes: u64, until: Instant) -> Self {
        Self { bytes, until }
    }

    /// Takes the bytes of one read out of the budget; refuses when they, or the time, are not left.
    pub fn take(&mut self, bytes: usize) -> Result<(), Refusal> {
        let left = self.bytes.checked_sub(bytes as u64).ok_or(Refusal::Budget)?;
        if Instant::now() >= self.until {
            return Err(Refusal::Budget);
        }
        self.bytes = left;
        Ok(())
    }
}

/// File systems whose reads end by themselves.
const LOCAL: [i64; 13] = [
    0x794c_7630, // overlay
    0xef53,      // ext2 to ext4
    0x5846_5342, // XFS
    0x9123_683e, // Btrfs
    0x0102_1994, // tmpfs
    0x8584_58f6, // ramfs
    0x2fc1_2fc1, // ZFS
    0xf2f5_2010, // F2FS
    0x7371_7368, // SquashFS
    0xe0f5_e1e2, // EROFS
    0xca45_1a4e, // bcachefs
    0x6175_6673, // AUFS
    0x9660,      // ISO 9660
];

/// A regular file on a local file system, behind a descriptor of its own or a borrowed one.
#[derive(Debug)]
pub struct File<Fd = OwnedFd> {
    fd: Fd,
    status: Status,
}

impl<Fd: AsFd> File<Fd> {
    /// The file behind a descriptor, when it is one.
    pub fn new(fd: Fd) -> Result<Self, Refusal> {
        let status = acceptable(fd.as_fd())?;
        Ok(Self { fd, status })
    }

    /// Its descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Its length in bytes when it was opened.
    pub fn size(&self) -> u64 {
        self.status.size
    }

    /// Device and number: equal for two names of the same file.
    pub fn identity(&self) -> (u64, u64) {
        self.status.identity
    }

    /// What the file holds from that offset, at most as much as fits into the buffer.
    pub fn read_at<'a>(&self, buffer: &'a mut [u8], offset: u64, budget: &mut Budget) -> Result<&'a [u8], Refusal> {
        let left = usize::try_from(self.status.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        budget.take(wanted)?;
        let mut filled = 0;
        while filled < wanted {
            match sys::read_at(self.fd.as_fd(), &mut buffer[filled..wanted], offset + filled as u64)? {
                0 => break,
                read => filled += read,
            }
        }
        Ok(&buffer[..filled])
    }
}

fn acceptable(fd: BorrowedFd) -> Result<Status, Refusal> {
    let status = sys::status(fd)?;
    if !status.is_regular {
        return Err(Refusal::NotRegular);
    }
    must_be_local(fd)?;
    Ok(status)
}

fn must_be_local(fd: BorrowedFd) -> Result<(), Refusal> {
    match LOCAL.contains(&(sys::file_system(fd)? & 0xffff_ffff)) {
        true => Ok(()),
        false => Err(Refusal::Foreign),
    }
}

/// The names in the folder at a path below a root, sorted; of a folder that has more, the first ones that it gives.
pub fn names(root: BorrowedFd, own_files: BorrowedFd, path: &[u8], max_names: usize) -> Result<Vec<Vec<u8>>, Refusal> {
    let path = CString::new(path).map_err(|_| Refusal::Missing)?;
    let place = sys::open_in_root(root, &path, libc::O_PATH | libc::O_DIRECTORY)?;
    must_be_local(place.as_fd())?;
    let number = CString::new(place.as_raw_fd().to_string()).map_err(|_| Refusal::Missing)?;
    let folder = sys::open_at(own_files, &number, libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    let mut names = Vec::new();
    sys::each_name(folder.as_fd(), |name| {
        names.push(name.to_vec());
        names.len() < max_names
    })?;
    names.sort_unstable();
    Ok(names)
}

/// Opens the file at a path below a root. `own_files` is a descriptor of `/proc/self/fd`.
pub fn open(root: BorrowedFd, own_files: BorrowedFd, path: &[u8]) -> Result<File, Refusal> {
    let path = CString::new(path).map_err(|_| Refusal::Missing)?;
    let place = sys::open_in_root(root, &path, libc::O_PATH)?;
    let status = acceptable(place.as_fd())?;
    let number = CString::new(place.as_raw_fd().to_string()).map_err(|_| Refusal::Missing)?;
    let fd = sys::open_at(
        own_files,
        &number,
        libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY,
        0,
    )?;
    Ok(File { fd, status })
}

/// The start of the file at a path below a root, at most as much as fits into the buffer.
pub fn read<'a>(
    root: BorrowedFd,
    own_files: BorrowedFd,
    path: &[u8],
    buffer: &'a mut [u8],
    budget: &mut Budget,
) -> Result<&'a [u8], Refusal> {
    open(root, own_files, path)?.read_at(buffer, 0, budget)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).expect("remove the folder");
        }
    }

    fn folder(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("root-test-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("root/etc")).expect("make the folder");
        Folder(path)
    }

    fn plenty() -> Budget {
        Budget::new(1 << 20, Instant::now() + Duration::from_secs(60))
    }

    fn read_path(folder: &Folder, path: &str) -> Result<Vec<u8>, Refusal> {
        let root = fs::File::open(folder.0.join("root")).expect("open the root");
        let own = fs::File::open("/proc/self/fd").expect("open own descriptors");
        let mut buffer = [0; 8];
        read(root.as_fd(), own.as_fd(), path.as_bytes(), &mut buffer, &mut plenty()).map(<[u8]>::to_vec)
    }

    #[test]
    fn only_regular_files_inside_the_root_are_read() {
        let folder = folder("paths");
        let root = folder.0.join("root");
        fs::write(folder.0.join("secret"), "secret").expect("write");
        fs::write(root.join("etc/plain"), "plain").expect("write");
        fs::write(root.join("etc/long"), "0123456789").expect("write");
        fs::write(root.join("secret"), "inside").expect("write");
        for (link, target) in [
            ("relative", "plain"),
            ("absolute", "/etc/plain"),
            ("upwards", "../../secret"),
            ("far", "/../../../../../../../../secret"),
            ("loop", "loop"),
            ("self", "/proc/self/root/etc/passwd"),
        ] {
            symlink(target, root.join("etc").join(link)).expect("link");
        }
        let fifo = root.join("etc/fifo");
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&fifo)
                .status()
                .expect("run mkfifo")
                .success()
        );
        for (name, path, expected) in [
            ("a file", "/etc/plain", Ok("plain")),
            ("the start of a long file", "/etc/long", Ok("01234567")),
            ("a relative link", "/etc/relative", Ok("plain")),
            ("an absolute link stays inside", "/etc/absolute", Ok("plain")),
            ("a link upwards stays inside", "/etc/upwards", Ok("inside")),
            ("a link far upwards stays inside", "/etc/far", Ok("inside")),
            ("a path upwards stays inside", "/../../secret", Ok("inside")),
            ("a loop", "/etc/loop", Err(Refusal::Missing)),
            (
                "a link into a /proc that is not there",
                "/etc/self",
                Err(Refusal::Missing),
            ),
            (
                "a FIFO without a writer does not block",
                "/etc/fifo",
                Err(Refusal::NotRegular),
            ),
            ("a folder", "/etc", Err(Refusal::NotRegular)),
            ("nothing", "/etc/nothing", Err(Refusal::Missing)),
            ("NUL in the path", "/etc/pl\0ain", Err(Refusal::Missing)),
        ] {
            let expected = expected.map(|text| text.as_bytes().to_vec());
            assert_eq!(read_path(&folder, path), expected, "{name}");
        }
    }

    #[test]
    fn devices_and_other_file_systems_are_refused() {
        let own = fs::File::open("/proc/self/fd").expect("open own descriptors");
        let root = fs::File::open("/").expect("open the root");
        let refusal = |path: &str| {
            open(root.as_fd(), own.as_fd(), path.as_bytes())
                .map(|_| ())
                .expect_err(path)
        };
        assert_eq!(refusal("/dev/zero"), Refusal::NotRegular);
        assert_eq!(refusal("/proc/version"), Refusal::Foreign);
        assert_eq!(
            refusal("/proc/self/exe"),
            Refusal::Missing,
            "no link of /proc is followed"
        );
    }

    #[test]
    fn the_budget_ends() {
        let folder = folder("budget");
        fs::write(folder.0.join("root/etc/plain"), "0123456789").expect("write");
        let file = fs::File::open(folder.0.join("root/etc/plain")).expect("open");
        let file = File::new(file).expect("a regular file");
        let (mut buffer, mut budget) = ([0; 4], plenty());
        assert_eq!(file.read_at(&mut buffer, 8, &mut budget), Ok(&b"89"[..]));
        assert_eq!(file.read_at(&mut buffer, 99, &mut budget), Ok(&b""[..]));
        let mut few = Budget::new(7, Instant::now() + Duration::from_secs(60));
        assert!(file.read_at(&mut buffer, 0, &mut few).is_ok());
        assert_eq!(file.read_at(&mut buffer, 0, &mut few), Err(Refusal::Budget));
        let mut late = Budget::new(100, Instant::now());
        assert_eq!(file.read_at(&mut buffer, 0, &mut late), Err(Refusal::Budget));
    }
}
