//! All rules, in the order in which they are tried. A new one is a file of its own, a line here, a sample that it must
//! recognise, and a line in the generated documentation.

use crate::process::{Access, Process};
use crate::rule::{self, Identity, Platform, Rule};
use crate::{go, java, node, node_packages, python, python_packages};

/// Language platforms: the first that finds something counts. What the executed file itself carries comes before what is
/// mapped into it, and what is mapped before what is only likely.
pub const PLATFORMS: &[Platform] = &[
    go::PLATFORM,
    node::EXECUTABLE,
    python::EXECUTABLE,
    java::PLATFORM,
    node::LIBRARY,
    python::LIBRARY,
    node::LARGE,
];

/// Frameworks, libraries and servers: all that fit are told.
pub const RULES: &[Rule] = &[node_packages::RULE, python_packages::RULE];

/// What a process is, by these rules.
pub fn identify<A: Access>(process: &mut Process<A>) -> Identity {
    rule::identify(PLATFORMS, RULES, process)
}
