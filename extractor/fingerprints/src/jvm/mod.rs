//! What runs in a Java virtual machine: frameworks, libraries and servers, found on its class path.
//!
//! The class path is made out once per process ([`class_path::of`]); every rule looks into that.

mod artifact;
pub mod bytes;
pub mod class_path;
pub mod command;
mod jar;
pub mod jboss;
pub mod kafka;
pub mod keycloak;
pub mod liberty;
pub mod libraries;
pub mod machine;
pub mod manifest;
pub mod quarkus;
#[cfg(test)]
mod rules_test;
#[cfg(test)]
mod sample;
pub mod spring_boot;
pub mod tomcat;
pub mod zip;

use crate::rule::Runtime;
use crate::value;
use crate::view::View;

/// A runtime whose version must be a value, with a note when it has none.
fn runtime(name: &str, version: Option<&[u8]>, evidence: &[u8], view: &mut dyn View) -> Runtime {
    let evidence = value::text(evidence);
    let version = version.and_then(value::value).unwrap_or_default();
    if version.is_empty() {
        view.note(
            "runtimes",
            "unversioned",
            format!("No version of {name} was found in {evidence}"),
        );
    }
    Runtime {
        name: name.to_owned(),
        version,
        evidence,
    }
}
