//! Compiled programs and interpreters in containers, under their own names and others.

mod support;

use std::fs;
use std::path::Path;

use support::{Answer, Container, Extractor, Folder, Spec, output, program};

/// The answer about a container that has a copy of the program at this path and runs it.
fn look(name: &str, program: &Path, path: &str, arguments: &str) -> Answer {
    let folder = Folder::new();
    let container = Container::start(
        &folder,
        &Spec {
            name,
            setup: &format!("cp {} $ROOT{path}", program.display()),
            command: &format!("{path} {arguments}"),
            ..Spec::default()
        },
    );
    container.wait_for(Path::new(path));
    Extractor::start(&folder, &[]).look_at(&container)
}

#[test]
fn perl_is_recognised_by_its_interpreter() {
    let perl = program("perl");
    let version = output(&perl, &["-e", "print substr($^V, 1)"]);
    for path in ["/opt/perl", "/opt/server"] {
        let answer = look("perl", &perl, path, "-e 'sleep 1000'");
        assert_eq!(
            answer.kind(),
            ("Perl", version.as_str(), ""),
            "{path}: {}",
            answer.detail
        );
    }
}

#[test]
fn rust_is_recognised_by_its_compiler() {
    let rustc = Path::new("rustc");
    let folder = Folder::new();
    let (source, made) = (folder.0.join("hold.rs"), folder.0.join("hold"));
    fs::write(
        &source,
        "fn main() { std::thread::sleep(std::time::Duration::from_secs(1000)) }",
    )
    .expect("write");
    output(
        rustc,
        &[
            "-Cstrip=symbols",
            "-o",
            &made.to_string_lossy(),
            &source.to_string_lossy(),
        ],
    );
    let answer = look("rust", &made, "/opt/java", "");
    let compiler = output(rustc, &["--version"]);
    let version = compiler.split(' ').nth(1).expect("version");
    assert_eq!(answer.kind(), ("Rust", version, ""), "{}", answer.detail);
}

#[test]
fn a_compiled_program_is_no_more_than_that_unless_its_name_says_that_it_waits() {
    let sleep = program("sleep");
    for (path, kind) in [("/opt/node", "C/C++"), ("/opt/python3", "C/C++"), ("/opt/tail", "")] {
        let answer = look("compiled", &sleep, path, "1000");
        assert_eq!(answer.kind(), (kind, "", ""), "{path}: {}", answer.detail);
    }
}
