//! Versions that stand among the constants of a file.

use std::ops::Range;
use std::os::fd::AsFd;

use fingerprints::{node as nodejs, python};
use node::root::{File, Refusal};

use super::executable::{self, Executable};
use super::{MAX_EXECUTABLES, World};

/// The version of Node.js that the constants of a file name.
pub fn of_node(file: &File<impl AsFd>, facts: &Executable, world: &mut World) -> Result<Option<String>, Refusal> {
    remembered(file, world, |world| {
        let likely = facts.constants.iter().map(|range| within(range, &nodejs::LIKELY));
        let ranges: Vec<_> = likely.chain(facts.constants.iter().cloned()).collect();
        let World { buffer, budget, .. } = world;
        executable::search(file, &ranges, nodejs::OVERLAP, buffer, budget, nodejs::version)
    })
}

/// What was searched for in this file before, for another process; else what the search finds.
fn remembered(
    file: &File<impl AsFd>,
    world: &mut World,
    search: impl FnOnce(&mut World) -> Result<Option<String>, Refusal>,
) -> Result<Option<String>, Refusal> {
    if let Some((_, version)) = world.versions.iter().find(|(identity, _)| *identity == file.identity()) {
        return Ok(version.clone());
    }
    let version = search(world)?;
    if world.versions.len() < MAX_EXECUTABLES {
        world.versions.push((file.identity(), version.clone()));
    }
    Ok(version)
}

/// The part of a range that the offsets from its start describe.
fn within(range: &Range<u64>, offsets: &Range<u64>) -> Range<u64> {
    let at = |offset: u64| range.start.saturating_add(offset).min(range.end);
    at(offsets.start)..at(offsets.end)
}

/// The version of Python that the constants of a file name, given the minor version when it is known.
pub fn of_python(
    file: &File<impl AsFd>,
    facts: &Executable,
    minor: Option<python::Minor>,
    world: &mut World,
) -> Result<Option<String>, Refusal> {
    remembered(file, world, |world| {
        let World { buffer, budget, .. } = world;
        let mut candidates = Vec::new();
        let found = executable::search(file, &facts.constants, python::OVERLAP, buffer, budget, |window| {
            candidates.extend(python::candidates(window));
            candidates.sort_unstable();
            candidates.dedup();
            // With the minor version known the first that fits is it; without, all must be seen.
            minor.and_then(|minor| python::choose(&candidates, Some(minor)))
        })?;
        Ok(found.or_else(|| python::choose(&candidates, minor)))
    })
}
