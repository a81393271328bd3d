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
const MAX_FINGERPRINT_FILES: usize = 16;
const MAX_DETAIL_FILES: usize = 4;
/// Detail of one container that is longer is left out.
const MAX_DETAIL_JSON_BYTES: usize = 32 * 1024;
/// Detail of all containers together; what comes after is answered without.
const MAX_TOTAL_DETAIL_JSON_BYTES: usize = 2 * 1024 * 1024;

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
    let mut counts = Counts::default();
    let mut containers: BTreeMap<Place, String> = BTreeMap::new();
    let mut detail_bytes = 0;
    for name in output.names()? {
        tokio::task::yield_now().await;
        if !is_number(&name) {
            continue;
        }
        let Ok(folder) = output.folder(&name) else {
            counts.dropped += 1;
            continue;
        };
        let Some((place, container)) = container(&folder, &mut counts) else {
            continue;
        };
        let plain = container.json(options.hash, false)?;
        let mut json = plain;
        if options.detail {
            let full = container.json(options.hash, true)?;
            let extra = full.len() - json.len();
            if extra <= MAX_DETAIL_JSON_BYTES && detail_bytes + extra <= MAX_TOTAL_DETAIL_JSON_BYTES {
                detail_bytes += extra;
                json = full;
            } else {
                counts.dropped += 1;
            }
        }
        if container.info.is_recognised() {
            counts.recognised += 1;
        } else {
            counts.unrecognised += 1;
        }
        containers.insert(place, json);
    }
    Ok((tree(containers)?, counts))
}

fn is_number(name: &str) -> bool {
    (1..=10).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// One container; none without a container-info.txt that names it.
fn container(folder: &Folder, counts: &mut Counts) -> Option<(Place, Container)> {
    let mut info = match folder.read("container-info.txt", MAX_INFO_BYTES) {
        Ok(bytes) => properties(&bytes),
        Err(problem) => {
            counts.dropped += u64::from(problem.kind() != io::ErrorKind::NotFound);
            return None;
        }
    };
    let mut named = |key| info.remove(key).unwrap_or_default();
    let place = (named("pod-namespace"), named("pod-name"), named("container-id"));
    let name = named("container-name");
    if !(is_namespace(&place.0) && is_object_name(&place.1) && is_container_reference(&place.2)) {
        counts.dropped += 1;
        return None;
    }
    let name = if is_object_name(&name) { name } else { String::new() };
    let names = folder.names().unwrap_or_default();
    let details = details(folder, &names, counts);
    let info = if details.is_empty() {
        let mut file = |name: &str| properties(&optional(folder, name, counts));
        let (os, kind) = (file("os.txt"), file("runtime-kind.txt"));
        let fingerprints: Vec<_> = names
            .iter()
            .filter(|name| name.ends_with("-fingerprints.txt"))
            .take(MAX_FINGERPRINT_FILES)
            .map(|name| file(name))
            .collect();
        let (info, dropped) = RuntimeInfo::from_properties(&os, &kind, &fingerprints);
        counts.dropped += dropped;
        info
    } else {
        RuntimeInfo::from_details(&details)
    };
    Some((place, Container { name, info, details }))
}

/// What each user's child wrote, in the order of the uids, without those that hold nothing of use.
fn details(folder: &Folder, names: &[String], counts: &mut Counts) -> Vec<Detail> {
    let mut files: Vec<(u32, &String)> = names
        .iter()
        .filter_map(|name| {
            let uid = name.strip_prefix("detail-")?.strip_suffix(".txt")?;
            Some((uid.parse().ok().filter(|_| is_number(uid))?, name))
        })
        .collect();
    files.sort_unstable();
    counts.dropped += files.len().saturating_sub(MAX_DETAIL_FILES) as u64;
    files
        .into_iter()
        .take(MAX_DETAIL_FILES)
        .map(|(_, name)| {
            let detail = detail(&optional(folder, name, counts));
            counts.dropped += detail.dropped;
            detail
        })
        .filter(|detail| !detail.is_empty())
        .collect()
}

/// The content of a file that may be missing; one that cannot be trusted counts as dropped and empty.
fn optional(folder: &Folder, name: &str, counts: &mut Counts) -> Vec<u8> {
    folder.read(name, MAX_FILE_BYTES).unwrap_or_else(|problem| {
        counts.dropped += u64::from(problem.kind() != io::ErrorKind::NotFound);
        Vec::new()
    })
}
