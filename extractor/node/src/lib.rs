//! What a node runs: its process table, which container and pod a process belongs to, and reading files inside a
//! container's root without being led out of it or held up.
//!
//! Parsers take bytes; what touches the system goes through `sys`, the one folder with unsafe code.

pub mod cgroup;
pub mod credentials;
pub mod links;
pub mod maps;
pub mod root;
pub mod stat;
pub mod sys;
pub mod table;
