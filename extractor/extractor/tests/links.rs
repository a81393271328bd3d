//! Links in `/var/log/containers` that are missing, stale or forged.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use support::{Container, Extractor, Folder, Spec};

fn container(folder: &Folder, name: &str) -> Container {
    Container::start(
        folder,
        &Spec {
            name,
            uid: 1000,
            command: "sleep 1000",
            ..Spec::default()
        },
    )
}

#[test]
fn only_what_both_a_link_and_a_process_tell_of_is_in_the_answer() {
    let folder = Folder::new();
    let links = folder.0.join("links");
    let (plain, unlinked, claimed) = (
        container(&folder, "plain"),
        container(&folder, "unlinked"),
        container(&folder, "claimed"),
    );
    fs::remove_file(links.join(format!("unlinked_test_app-{}.log", unlinked.id))).expect("remove");
    let id = &claimed.id;
    for forged in [
        // Two pods claim the same container: nobody can tell which is right.
        format!("other_test_app-{id}.log"),
        // Of containers that are not there.
        format!("stale_test_app-{}.log", "f".repeat(64)),
        // Names that no kubelet gives.
        format!("..%2f_test_app-{id}.log"),
        format!("a_b_c_d-{id}.log"),
        format!("UPPER_test_app-{id}.log"),
        format!("x\n_test_app-{id}.log"),
        format!("$(touch ran)_test_app-{id}.log"),
        "--help".to_owned(),
        "x".repeat(255),
    ] {
        fs::write(links.join(forged), "").expect("link");
    }
    // Where a link leads does not matter: it is never followed.
    let place = links.join(format!("plain_test_app-{}.log", plain.id));
    fs::remove_file(&place).expect("remove");
    symlink("/proc/self/mem", &place).expect("link");
    let pipe = links.join("pipe_test_app-0.log");
    assert!(Command::new("mkfifo").arg(pipe).status().expect("run mkfifo").success());
    for number in 0..10_000 {
        fs::write(links.join(format!("many-{number}")), "").expect("link");
    }
    let extractor = Extractor::start(&folder, &[]);
    let answers = extractor.ask("");
    let mut pods: Vec<_> = answers
        .values()
        .map(|answer| answer.value("pod-name").to_owned())
        .collect();
    pods.sort();
    assert_eq!(
        pods,
        ["plain"],
        "without a link, or with two, it is not known whose it is"
    );
    assert!(
        answers.values().all(|answer| !answer.value("os-release-id").is_empty()),
        "{answers:?}"
    );
    assert!(!folder.0.join("ran").exists());
}

#[test]
fn without_the_folder_it_answers_what_it_can() {
    let folder = Folder::new();
    let _plain = container(&folder, "plain");
    let extractor = Extractor::start(&folder, &[]);
    fs::remove_dir_all(folder.0.join("links")).expect("remove");
    assert!(extractor.send(b"").ends_with(b"\n"), "an answer, be it an empty line");
    fs::create_dir(folder.0.join("links")).expect("folder");
    assert!(extractor.send(b"").starts_with(b"data/out-"));
}
