//! Our own rules as a detector of cases.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fingerprints::fixture::Fixture;
use fingerprints::os_release;
use fingerprints::rule::is_in_answer;
use node::cgroup;

use crate::case::{Answer, PID};

/// What the rules say about the process that was written into the folder.
pub fn detect(folder: &Path) -> io::Result<Answer> {
    let mut fixture = fixture(folder)?;
    let os = os_release::PATHS
        .iter()
        .find_map(|path| os_release::parse(fixture.files.get(path.as_bytes())?));
    let os = os.unwrap_or_default();
    let (identity, _) = fixture.identify();
    let flags = is_in_answer(&identity.runtimes);
    let runtimes = identity
        .runtimes
        .iter()
        .zip(flags)
        .filter(|(_, is_in_answer)| *is_in_answer);
    let mut runtimes: Vec<_> = runtimes
        .map(|((_, it), _)| format!("{} {}", it.name, it.version).trim_end().to_owned())
        .collect();
    runtimes.sort_unstable();
    let kind = identity.kind;
    let field = |get: fn(fingerprints::Kind) -> String| kind.clone().map(get).unwrap_or_default();
    Ok(Answer {
        container_id: cgroup::container(&fs::read(folder.join("proc").join(PID).join("cgroup"))?, |_| true)
            .map(|(id, _)| id.to_string())
            .unwrap_or_default(),
        os: os.id,
        os_version: os.version,
        kind: field(|kind| kind.name.to_owned()),
        kind_version: field(|kind| kind.version),
        kind_implementer: field(|kind| kind.implementer),
        runtimes,
    })
}

/// The process that was written into the folder, in memory.
pub fn fixture(folder: &Path) -> io::Result<Fixture> {
    let process = folder.join("proc").join(PID);
    let root = folder.join("root");
    let inside = |link: &str| -> io::Result<String> {
        let target = fs::read_link(process.join(link))?;
        let path = target.strip_prefix(&root).map_err(io::Error::other)?;
        Ok(format!("/{}", path.display()))
    };
    let list = |name: &str, end: u8| -> io::Result<Vec<Vec<u8>>> {
        let bytes = fs::read(process.join(name))?;
        let parts = bytes.split(|byte| *byte == end).filter(|part| !part.is_empty());
        Ok(parts.map(<[u8]>::to_vec).collect())
    };
    let mut fixture = Fixture::new(&inside("exe")?).directory(&inside("cwd")?);
    fixture.arguments = list("cmdline", 0)?;
    fixture.environment = list("environ", 0)?;
    let maps = list("maps", b'\n')?;
    fixture.mapped = maps
        .iter()
        .filter_map(|line| node::maps::path(line))
        .map(<[u8]>::to_vec)
        .collect();
    add_files(&root, &root, &mut fixture)?;
    Ok(fixture)
}

/// Files below the folder, by their path in the container. A link has the content that it leads to inside the root.
fn add_files(root: &Path, folder: &Path, fixture: &mut Fixture) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.strip_prefix(root).map_err(io::Error::other)?;
        let status = fs::symlink_metadata(&path)?;
        if status.is_dir() {
            add_files(root, &path, fixture)?;
            continue;
        }
        let file = if status.is_symlink() {
            resolved(root, &path)?
        } else {
            path.clone()
        };
        let name = format!("/{}", name.display()).into_bytes();
        fixture.files.insert(name, fs::read(file)?);
    }
    Ok(())
}

fn resolved(root: &Path, link: &Path) -> io::Result<PathBuf> {
    let target = fs::read_link(link)?;
    match target.strip_prefix("/") {
        Ok(inside) => Ok(root.join(inside)),
        Err(_) => Ok(link.parent().unwrap_or(root).join(target)),
    }
}
