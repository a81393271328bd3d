//! Reading and removing what the extractor wrote, without following a link, without blocking, within limits.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, open, openat, unlinkat};
use rustix::io::Errno;

const MAX_ENTRIES: usize = 4096;
const MAX_DEPTH: usize = 8;
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder held open.
pub struct Folder(OwnedFd);

impl Folder {
    /// The folder at a path of our own configuration, which may pass through links.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self(open(path, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// The folder of that name; fails on a link.
    pub fn folder(&self, name: &str) -> io::Result<Self> {
        Ok(Self(openat(&self.0, name, FOLDER, Mode::empty())?))
    }

    /// The names inside in byte order, at most 4096 of them; those that are not UTF-8 are left out.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names: Vec<_> = entries(&self.0)?
            .filter_map(|name| String::from_utf8(name).ok())
            .collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The content of a regular file of at most `max_bytes`. A link, FIFO, device or longer file is an error.
    pub fn read(&self, name: &str, max_bytes: usize) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = openat(&self.0, name, flags, Mode::empty())?;
        let status = fstat(&file)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {max_bytes} bytes"));
        let size = usize::try_from(status.st_size).map_err(|_| too_long())?;
        if size > max_bytes {
            return Err(too_long());
        }
        let mut bytes = Vec::with_capacity(size + 1);
        std::fs::File::from(file)
            .take(max_bytes as u64 + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() > max_bytes {
            return Err(too_long());
        }
        Ok(bytes)
    }

    /// When the entry was last changed, in seconds since the epoch.
    pub fn modified_seconds(&self, name: &str) -> io::Result<i64> {
        Ok(rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mtime as i64)
    }

    /// Removes the entry with everything below it; links are removed, never followed. Missing is fine.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        remove(&self.0, name.as_bytes(), 0)
    }
}

fn entries(folder: &OwnedFd) -> io::Result<impl Iterator<Item = Vec<u8>>> {
    Ok(Dir::read_from(folder)?
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_bytes().to_vec())
        .filter(|name| name != b"." && name != b"..")
        .take(MAX_ENTRIES))
}

fn remove(parent: &OwnedFd, name: &[u8], depth: usize) -> io::Result<()> {
    let folder = match openat(parent, name, FOLDER, Mode::empty()) {
        Ok(folder) => folder,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => return Ok(unlinkat(parent, name, AtFlags::empty())?),
        Err(problem) => return Err(problem.into()),
    };
    if depth >= MAX_DEPTH {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "folders nested too deeply"));
    }
    loop {
        let names: Vec<_> = entries(&folder)?.collect();
        if names.is_empty() {
            break;
        }
        for name in names {
            remove(&folder, &name, depth + 1)?;
        }
    }
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_short_regular_files_are_read() {
        let root = tempfile::tempdir().expect("temporary folder");
        let path = root.path();
        fs::write(path.join("plain"), "text").expect("write");
        fs::write(path.join("long"), "12345").expect("write");
        fs::File::create(path.join("sparse"))
            .and_then(|f| f.set_len(1 << 40))
            .expect("sparse file");
        symlink("plain", path.join("link")).expect("link");
        fs::create_dir(path.join("folder")).expect("folder");
        rustix::fs::mknodat(rustix::fs::CWD, path.join("fifo"), FileType::Fifo, Mode::RWXU, 0).expect("FIFO");
        let folder = Folder::at(path).expect("open");
        for (name, expected) in [
            ("plain", Some("text")),
            ("long", None),
            ("sparse", None),
            ("link", None),
            ("folder", None),
            ("fifo", None),
            ("missing", None),
        ] {
            let read = folder.read(name, 4).ok();
            assert_eq!(read.as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn links_are_never_followed() {
        let root = tempfile::tempdir().expect("temporary folder");
        let path = root.path();
        fs::create_dir_all(path.join("outside/inner")).expect("folder");
        fs::write(path.join("outside/keep"), "").expect("write");
        fs::create_dir_all(path.join("data/out-1/7")).expect("folder");
        fs::write(path.join("data/out-1/7/os.txt"), "").expect("write");
        symlink("../../outside", path.join("data/out-1/link")).expect("link");
        symlink("../outside", path.join("data/out-2")).expect("link");
        let data = Folder::at(&path.join("data")).expect("open");
        assert!(data.folder("out-2").is_err(), "a link is not opened as a folder");
        data.remove("out-1").expect("remove a folder with a link in it");
        data.remove("out-2").expect("remove a link");
        data.remove("out-3").expect("remove what is not there");
        assert_eq!(data.names().expect("names"), Vec::<String>::new());
        assert!(path.join("outside/keep").exists() && path.join("outside/inner").exists());
    }

    #[test]
    fn a_folder_nested_too_deeply_is_left_and_reported() {
        let root = tempfile::tempdir().expect("temporary folder");
        fs::create_dir_all(root.path().join("a/b/c/d/e/f/g/h/i/j")).expect("folders");
        assert!(Folder::at(root.path()).expect("open").remove("a").is_err());
    }

    #[test]
    fn more_names_than_one_pass_reads_are_removed() {
        let root = tempfile::tempdir().expect("temporary folder");
        fs::create_dir(root.path().join("a")).expect("folder");
        for name in 0..MAX_ENTRIES + 10 {
            fs::write(root.path().join(format!("a/{name}")), "").expect("write");
        }
        let folder = Folder::at(root.path()).expect("open");
        assert_eq!(
            folder.folder("a").and_then(|a| a.names()).expect("names").len(),
            MAX_ENTRIES
        );
        folder.remove("a").expect("remove");
        assert!(!root.path().join("a").exists());
    }
}
