//! Containers, and extractors, that end at any moment.

mod support;

use std::fs;
use std::thread::{scope, sleep};
use std::time::Duration;

use support::{Container, Extractor, Folder, Spec, children, signal, slow_program, wait_until};

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
fn containers_that_end_in_every_phase_of_a_scan_cost_nothing_but_their_own_answer() {
    let folder = Folder::new();
    let staying = [container(&folder, "staying-a"), container(&folder, "staying-b")];
    let extractor = Extractor::start(&folder, &[]);
    for round in 0..6_u64 {
        let going: Vec<_> = (0..8)
            .map(|number| container(&folder, &format!("going-{number}")))
            .collect();
        let pids: Vec<_> = going.iter().map(|container| container.pids()[0]).collect();
        let answers = scope(|threads| {
            threads.spawn(|| {
                for pid in &pids {
                    sleep(Duration::from_millis(1 + 3 * round));
                    signal(*pid, "KILL");
                }
            });
            extractor.ask("")
        });
        for container in &staying {
            let answer = &answers[&format!("cri-o://{}", container.id)];
            assert!(!answer.value("os-release-id").is_empty(), "round {round}: {answer:?}");
        }
        assert!(children(extractor.pid()).is_empty(), "round {round}: no child is left");
    }
}

#[test]
fn an_extractor_that_is_killed_in_any_phase_leaves_nothing_that_the_next_one_does_not_sweep() {
    let folder = Folder::new();
    let containers: Vec<_> = (0..4)
        .map(|number| container(&folder, &format!("pod-{number}")))
        .collect();
    let answers = || fs::read_dir(folder.0.join("data")).expect("list").count();
    for delay in [0, 1, 2, 4, 8, 12, 16, 24, 32, 48] {
        let extractor = Extractor::start(&folder, &[]);
        let pid = extractor.pid();
        scope(|threads| {
            let asking = threads.spawn(|| extractor.try_send(b"").unwrap_or_default());
            sleep(Duration::from_millis(delay));
            let family = children(pid);
            signal(pid, "KILL");
            let reply = asking.join().expect("asking");
            assert!(
                reply.is_empty() || reply.starts_with(b"data/out-"),
                "half a reply: {reply:?}"
            );
            wait_until("its children are gone, too", || {
                family.iter().all(|pid| {
                    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(" Z "))
                })
            });
        });
        drop(extractor);
        let extractor = Extractor::start(&folder, &[]);
        wait_until("old answers are swept", || answers() == 0);
        for container in &containers {
            let answer = extractor.look_at(container);
            assert!(
                !answer.value("os-release-id").is_empty(),
                "after {delay} ms: {answer:?}"
            );
        }
    }
}

#[test]
fn a_child_does_not_outlive_the_extractor_and_its_answer_goes_with_the_next_start() {
    let folder = Folder::new();
    let slow = slow_program(&folder);
    let setup = format!("cp --sparse=always {} $ROOT/opt/slow", slow.display());
    let container = Container::start(
        &folder,
        &Spec {
            name: "slow",
            uid: 1000,
            setup: &setup,
            command: "/opt/slow 1000",
            ..Spec::default()
        },
    );
    let extractor = Extractor::start(&folder, &[]);
    let pid = extractor.pid();
    let group = |pid: u32| fs::read_to_string(format!("/proc/{pid}/cgroup")).ok();
    let (mut child, mut its_group) = (0, None);
    std::thread::scope(|scope| {
        scope.spawn(|| extractor.send(container.id.as_bytes()));
        wait_until("a child looks", || {
            let looks = |pid: u32| {
                fs::read_to_string(format!("/proc/{pid}/status"))
                    .is_ok_and(|status| status.contains("Seccomp:\t2") && !status.contains("State:\tZ"))
            };
            // One that has ended has no group of its own any more.
            let at_work = |pid| group(pid).filter(|_| looks(pid)).map(|group| (pid, Some(group)));
            (child, its_group) = children(pid).into_iter().find_map(at_work).unwrap_or_default();
            its_group.is_some()
        });
        assert_eq!(
            its_group,
            group(pid),
            "the child costs the extractor, not the container"
        );
        signal(pid, "KILL");
        wait_until("the child is gone, too", || {
            let status = fs::read_to_string(format!("/proc/{child}/status"));
            status.map_or(true, |status| status.contains("State:\tZ"))
        });
    });
    let answers = || fs::read_dir(folder.0.join("data")).expect("list").count();
    assert!(answers() > 0, "it left its answer behind");
    drop(extractor);
    let extractor = Extractor::start(&folder, &[]);
    wait_until("old answers are swept", || answers() == 0);
    assert_ne!(extractor.look_at(&container).value("os-release-id"), "");
}
