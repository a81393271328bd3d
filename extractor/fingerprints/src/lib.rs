//! Facts about runtimes from the bytes that containers hold. Nothing here touches a file or makes a system call, and no
//! bytes make it panic.
//!
//! A rule is data (which file, which section, which needle) plus a small pure function over a window of bytes; the
//! caller owns the files and decides how much of them is read.
#![forbid(unsafe_code)]

pub mod build_info;
pub mod bun;
pub mod compiled;
pub mod deno;
pub mod dotnet;
pub mod dotnet_bundle;
pub mod elf;
pub mod erlang;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture_elf;
pub mod go;
pub mod graal;
pub mod java;
pub mod jvm;
#[cfg(test)]
mod mutation;
pub mod node;
pub mod node_packages;
pub mod os_release;
pub mod path;
pub mod perl;
pub mod php;
pub mod plain;
pub mod process;
pub mod program;
pub mod properties;
pub mod python;
pub mod python_packages;
pub mod ruby;
pub mod ruby_gems;
pub mod rule;
pub mod rules;
pub mod servers;
pub mod value;
pub mod view;

/// A language platform as the answer names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// Such as `Java`; the names are in the rules.
    pub name: &'static str,
    /// As the platform spells it, empty when unknown.
    pub version: String,
    /// Who built it, empty when unknown.
    pub implementer: String,
}

impl Kind {
    /// A kind of which only the name is known.
    pub fn named(name: &'static str) -> Self {
        Self {
            name,
            version: String::new(),
            implementer: String::new(),
        }
    }
}

/// Whether the bytes hold the needle.
pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}
