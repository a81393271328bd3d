//! Go, whatever the file is called.

use crate::Kind;
use crate::rule::{Found, Platform};
use crate::value;
use crate::view::View;

/// The kind as the answer names it.
pub const KIND: &str = "Golang";

/// Programs that only start another, by their main package.
const WRAPPERS: [&str; 10] = [
    "github.com/argoproj/argo-workflows/v3/cmd/argoexec",
    "github.com/basecamp/thruster/cmd/thrust",
    "github.com/fpco/pid1",
    "github.com/hairyhenderson/gomplate/v4/cmd/gomplate",
    "github.com/hashicorp/consul-template",
    "github.com/hashicorp/envconsul",
    "github.com/jwilder/dockerize",
    "github.com/ochinchina/supervisord",
    "github.com/tektoncd/pipeline/cmd/entrypoint",
    "sigs.k8s.io/prow/cmd/entrypoint",
];

/// Whether the main package is that of a program that only starts another.
fn is_wrapper(package: &str) -> bool {
    WRAPPERS.contains(&package)
}

/// Go: build information in the executed file, whatever it is called, stripped or not.
pub const PLATFORM: Platform = Platform {
    kind: KIND,
    about: "build information (`.go.buildinfo`) in the executed file, with the toolchain's version",
    find: platform,
};

fn platform(view: &mut dyn View) -> Option<Found> {
    let program = view.program();
    let version = program.go.clone()?;
    let evidence = format!("build information in {}", value::text(&view.executable()));
    if version.is_empty() {
        let message = format!("The {evidence} holds no version");
        view.note("kindVersion", "unversioned", message);
    }
    let version_evidence = if version.is_empty() {
        String::new()
    } else {
        evidence.clone()
    };
    Some(Found {
        kind: Kind {
            version,
            ..Kind::named(KIND)
        },
        evidence,
        version_evidence,
        is_wrapper: program.go_package.as_deref().is_some_and(is_wrapper),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_that_only_start_others_are_known_by_what_they_were_built_from() {
        assert!(is_wrapper("github.com/basecamp/thruster/cmd/thrust"));
        assert!(!is_wrapper("example.org/thrust"));
    }
}
