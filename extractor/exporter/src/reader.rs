//! From the extractor's output directory to the body of the reply.

use std::collections::BTreeMap;
use std::io;

use crate::answer::{Container, Place, RuntimeInfo, tree};
use crate::directory::Folder;
use crate::patterns::{is_container_reference, is_namespace, is_object_name};
use crate::records::{Detail, detail, properties};
use crate::request::Options;

const MAX_FILE_BYTES: usize = 64 * 1024;
const MAX_INFO_BYTES: usize = 4 * 1024;
/// Read in one reply; what comes after counts as dropped.
const MAX_TOTAL_FILE_BYTES: usize = 64 * 1024 * 1024;
const MAX_FINGERPRINT_FILES: usize = 16;
const MAX_DETAIL_FILES: usize = 4;
/// Detail of one container that is longer is left out.
const MAX_DETAIL_JSON_BYTES: usize = 32 * 1024;
/// Detail of all containers together; what comes after is answered without.
const MAX_TOTAL_DETAIL_JSON_BYTES: usize = 2 * 1024 * 1024;

/// All containers together without their detail; what comes after is left out.
const MAX_TOTAL_JSON_BYTES: usize = 8 * 1024 * 1024;

/// What was read, for the metrics.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Containers with a language platform or framework.
    pub recognised: u64,
    /// Containers without.
    pub unrecognised: u64,
    /// Containers, files, records or values that were left out because they deviated or were too long.
    pub dropped: u64,
}

/// The body of the reply for an output directory and what it held. Gives way to other work after each container.
pub async fn read(output: &Folder, options: Options) -> io::Result<(Vec<u8>, Counts)> {
    let mut reader = Reader {
        counts: Counts::default(),
        bytes_left: MAX_TOTAL_FILE_BYTES,
    };
    let mut containers: BTreeMap<Place, String> = BTreeMap::new();
    let (mut json_left, mut detail_left) = (MAX_TOTAL_JSON_BYTES, MAX_TOTAL_DETAIL_JSON_BYTES);
    for name in output.names()?.iter().filter(|name| is_number(name)) {
        tokio::task::yield_now().await;
        let Ok(folder) = output.folder(name) else {
            reader.counts.dropped += 1;
            continue;
        };
        let Some((place, container)) = reader.container(&folder) else {
            continue;
        };
        let mut json = container.json(options.hash, false)?;
        let Some(left) = json_left.checked_sub(json.len()) else {
            reader.counts.dropped += 1;
            continue;
        };
        json_left = left;
        if options.detail {
            let full = container.json(options.hash, true)?;
            let extra = full.len() - json.len();
            if extra <= MAX_DETAIL_JSON_BYTES.min(detail_left) {
                detail_left -= extra;
                json = full;
            } else {
                reader.counts.dropped += 1;
            }
        }
        if container.info.is_recognised() {
            reader.counts.recognised += 1;
        } else {
            reader.counts.unrecognised += 1;
        }
        containers.insert(place, json);
    }
    Ok((tree(containers)?, reader.counts))
}

fn is_number(name: &str) -> bool {
    (1..=10).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_digit())
}

struct Reader {
    counts: Counts,
    bytes_left: usize,
}

impl Reader {
    /// One container; none without a container-info.txt that names it.
    fn container(&mut self, folder: &Folder) -> Option<(Place, Container)> {
        let mut info = properties(&self.file(folder, "container-info.txt", MAX_INFO_BYTES)?);
        let mut named = |key| info.remove(key).unwrap_or_default();
        let place = (named("pod-namespace"), named("pod-name"), named("container-id"));
        let name = named("container-name");
        if !(is_namespace(&place.0) && is_object_name(&place.1) && is_container_reference(&place.2)) {
            self.counts.dropped += 1;
            return None;
        }
        let name = if is_object_name(&name) { name } else { String::new() };
        let names = folder.names().unwrap_or_default();
        let details = self.details(folder, &names);
        let info = if details.is_empty() {
            let (os, kind) = (
                self.properties(folder, "os.txt"),
                self.properties(folder, "runtime-kind.txt"),
            );
            let fingerprints = names.iter().filter(|name| name.ends_with("-fingerprints.txt"));
            let fingerprints: Vec<_> = fingerprints
                .take(MAX_FINGERPRINT_FILES)
                .map(|name| self.properties(folder, name))
                .collect();
            let (info, dropped) = RuntimeInfo::from_properties(&os, &kind, &fingerprints);
            self.counts.dropped += dropped;
            info
        } else {
            RuntimeInfo::from_details(&details)
        };
        Some((place, Container { name, info, details }))
    }

    /// What each user's child wrote, in the order of the uids, without those that hold nothing of use.
    fn details(&mut self, folder: &Folder, names: &[String]) -> Vec<Detail> {
        let mut files: Vec<(u32, &String)> = names
            .iter()
            .filter_map(|name| {
                let uid = name.strip_prefix("detail-")?.strip_suffix(".txt")?;
                Some((uid.parse().ok().filter(|_| is_number(uid))?, name))
            })
            .collect();
        files.sort_unstable();
        self.counts.dropped += files.len().saturating_sub(MAX_DETAIL_FILES) as u64;
        let mut details = Vec::new();
        for (_, name) in files.into_iter().take(MAX_DETAIL_FILES) {
            let detail = detail(&self.file(folder, name, MAX_FILE_BYTES).unwrap_or_default());
            self.counts.dropped += detail.dropped;
            if !detail.is_empty() {
                details.push(detail);
            }
        }
        details
    }

    fn properties(&mut self, folder: &Folder, name: &str) -> BTreeMap<String, String> {
        self.file(folder, name, MAX_FILE_BYTES)
            .map_or_else(BTreeMap::new, |bytes| properties(&bytes))
    }

    /// The content of a file; none when it is missing. One that cannot be trusted counts as dropped.
    fn file(&mut self, folder: &Folder, name: &str, max_bytes: usize) -> Option<Vec<u8>> {
        match folder.read(name, max_bytes.min(self.bytes_left)) {
            Ok(bytes) => {
                self.bytes_left -= bytes.len();
                Some(bytes)
            }
            Err(problem) => {
                self.counts.dropped += u64::from(problem.kind() != io::ErrorKind::NotFound);
                None
            }
        }
    }
}
