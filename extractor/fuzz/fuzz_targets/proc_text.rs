#![no_main]

//! `cgroup`, `stat` and `status` of a process, which the privileged parent reads.

use fuzz::bounded;
use node::{cgroup, credentials, stat};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        if let Some((id, _)) = cgroup::container(bytes, |_| true) {
            let spelled = id.to_string();
            assert!(bytes.windows(spelled.len()).any(|window| window == spelled.as_bytes()));
        }
        if let Some(stat) = stat::parse(bytes) {
            assert!(stat.name.len() <= bytes.len());
            cgroup::Engine::of_helper(&stat.name);
        }
        if let Some(credentials) = credentials::parse(bytes) {
            assert!(credentials.groups.len() <= 64, "{} groups", credentials.groups.len());
        }
    });
});
