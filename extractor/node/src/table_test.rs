use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;

const A: &str = "6b802b182bf29e003f532d3b40c440b66b802b182bf29e003f532d3b40c440b6";

struct Sample(PathBuf);

impl Drop for Sample {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).expect("remove the folder");
    }
}

impl Sample {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("table-test-{}-{name}", std::process::id()));
        fs::create_dir_all(path.join("proc")).expect("make the folder");
        fs::create_dir_all(path.join("links")).expect("make the folder");
        Self(path)
    }

    fn process(&self, pid: u32, (name, state, parent, start): (&str, char, u32, u64), uid: u32, cgroup: &str) {
        let dir = self.0.join("proc").join(pid.to_string());
        fs::create_dir_all(&dir).expect("make the folder");
        let stat = format!("{pid} ({name}) {state} {parent} {} {start} 0 0\n", ["0"; 17].join(" "));
        fs::write(dir.join("stat"), stat).expect("write");
        fs::write(
            dir.join("status"),
            format!("Name:\t{name}\nUid:\t{uid}\t0\t0\t0\nGid:\t{uid}\nGroups:\t{uid}\n"),
        )
        .expect("write");
        fs::write(dir.join("cgroup"), format!("0::{cgroup}\n")).expect("write");
    }

    fn link(&self, name: &str) {
        fs::write(self.0.join("links").join(name), "").expect("write");
    }

    fn open(&self, name: &str) -> fs::File {
        fs::File::open(Path::new(&self.0).join(name)).expect("open")
    }

    fn places(&self) -> Places {
        places(self.open("links").as_fd()).expect("places")
    }

    fn scan(&self) -> Table {
        let until = Instant::now() + Duration::from_secs(60);
        scan(self.open("proc").as_fd(), &self.places(), until).expect("scan")
    }
}

#[test]
fn processes_are_gathered_by_container_the_oldest_first() {
    let sample = Sample::new("gather");
    let b = A.replace("6b", "00");
    sample.link(&format!("web_shop_app-{A}.log"));
    sample.link(&format!("db_shop_db-{b}.log"));
    sample.link("something else");
    let group = format!("/kubepods/pod1/{A}");
    sample.process(7, ("late)", 'S', 6, 300), 1000, &group);
    sample.process(6, ("sh", 'S', 2, 100), 0, &group);
    sample.process(9, ("mid", 'S', 6, 200), 1000, &group);
    sample.process(8, ("dead", 'Z', 6, 150), 0, &group);
    sample.process(
        5,
        ("db", 'S', 3, 50),
        26,
        &format!("/kubepods.slice/cri-containerd-{b}.scope/init"),
    );
    sample.process(2, ("containerd-shim", 'S', 1, 40), 0, "/system.slice");
    sample.process(3, ("conmon", 'S', 1, 40), 0, "/system.slice");
    fs::create_dir_all(sample.0.join("proc/99")).expect("a process without files");
    fs::create_dir_all(sample.0.join("proc/self")).expect("not a process");
    let table = sample.scan();
    assert_eq!(
        (table.processes, table.is_partial, sample.places().refused),
        (8, false, 1)
    );
    let [db, web] = table.containers.as_slice() else {
        panic!("two containers")
    };
    assert_eq!(
        (
            db.place.pod.as_str(),
            web.place.pod.as_str(),
            web.id.to_string().as_str()
        ),
        ("db", "web", A)
    );
    let order: Vec<_> = web.processes.iter().map(|p| (p.pid, p.uid, p.has_children)).collect();
    assert_eq!(order, [(6, 0, true), (9, 1000, false), (7, 1000, false)]);
    let users: Vec<_> = web
        .users
        .iter()
        .map(|user| (user.uid, user.groups.as_slice()))
        .collect();
    assert_eq!(users, [(0, &[0][..]), (1000, &[1000])]);
    let proc = sample.open("proc");
    assert_eq!(
        engine(proc.as_fd(), web),
        Engine::Containerd,
        "by the name of the parent on the host"
    );
    assert_eq!(
        engine(proc.as_fd(), db),
        Engine::Containerd,
        "the control group's name comes first"
    );
}

#[test]
fn a_flood_of_processes_does_not_hide_the_other_containers() {
    let sample = Sample::new("flood");
    let b = A.replace("6b", "ff");
    sample.link(&format!("flood_x_app-{A}.log"));
    sample.link(&format!("quiet_x_app-{b}.log"));
    let most = usize::from(MAX_PROCESSES_EACH);
    for pid in 1..=most + 50 {
        sample.process(pid as u32, ("bomb", 'S', 1, 10), 1000, &format!("/kubepods/pod1/{A}"));
    }
    sample.process(90_000, ("app", 'S', 1, 20), 1000, &format!("/kubepods/pod2/{b}"));
    let table = sample.scan();
    let counts: Vec<_> = table
        .containers
        .iter()
        .map(|container| container.processes.len())
        .collect();
    assert_eq!(counts, [most, 1]);
}

#[test]
fn a_directory_that_stays_open_is_read_anew_each_time() {
    let sample = Sample::new("again");
    sample.link(&format!("web_shop_app-{A}.log"));
    sample.process(6, ("sh", 'S', 2, 100), 0, &format!("/kubepods/pod1/{A}"));
    let (proc, links) = (sample.open("proc"), sample.open("links"));
    for round in 1..=3 {
        let places = places(links.as_fd()).expect("places");
        let until = Instant::now() + Duration::from_secs(60);
        let table = scan(proc.as_fd(), &places, until).expect("scan");
        assert_eq!((table.processes, table.containers.len()), (1, 1), "round {round}");
    }
}

#[test]
fn an_unknown_parent_on_the_host_means_crio() {
    let sample = Sample::new("engine");
    sample.link(&format!("p_n_c-{A}.log"));
    sample.process(6, ("app", 'S', 1, 100), 0, &format!("/kubepods/pod1/{A}"));
    sample.process(1, ("systemd", 'S', 0, 1), 0, "/");
    let table = sample.scan();
    assert_eq!(engine(sample.open("proc").as_fd(), &table.containers[0]), Engine::CriO);
}

#[test]
fn a_number_used_again_is_not_the_same_process() {
    let sample = Sample::new("reused");
    sample.link(&format!("p_n_c-{A}.log"));
    let group = format!("/kubepods/pod1/{A}");
    sample.process(6, ("app", 'S', 1, 100), 0, &group);
    let process = sample.scan().containers[0].processes[0].clone();
    assert!(is_same(sample.open("proc/6").as_fd(), &process));
    sample.process(6, ("app", 'S', 1, 101), 0, &group);
    assert!(!is_same(sample.open("proc/6").as_fd(), &process), "started later");
    sample.process(6, ("app", 'Z', 1, 100), 0, &group);
    assert!(!is_same(sample.open("proc/6").as_fd(), &process), "dead");
}

#[test]
fn a_pass_that_has_no_time_left_says_so() {
    let sample = Sample::new("time");
    sample.process(6, ("app", 'S', 1, 100), 0, "/");
    let table = scan(sample.open("proc").as_fd(), &sample.places(), Instant::now()).expect("scan");
    assert!(table.is_partial);
}

#[test]
fn no_bytes_of_proc_make_it_panic() {
    let good = format!(
        "42 (a) b) S 1 {} 100 0\nUid:\t1\t1\nGid:\t1\n0::/kubepods/crio-{A}.scope\n",
        ["0"; 17].join(" ")
    );
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..20_000 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..=round % 5 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let index = (random >> 8) as usize % bytes.len();
            bytes[index] = random as u8;
        }
        bytes.truncate(1 + (random >> 20) as usize % good.len());
        let _ = stat::parse(&bytes);
        let _ = credentials::parse(&bytes);
        let _ = cgroup::container(&bytes, |_| true);
        let _ = links::parse(&bytes);
        let _ = crate::maps::path(&bytes);
    }
}
