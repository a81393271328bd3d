#![no_main]

//! The command line of a Java virtual machine, with the variables and files of arguments that belong to it.

use fingerprints::jvm::command::{Origin, launch};
use fuzz::bounded;

/// Variables by name and files by path are parts of the input, in the order in which they are asked for.
struct Parts<'a> {
    arguments: Vec<Vec<u8>>,
    rest: std::slice::Split<'a, u8, fn(&u8) -> bool>,
    asked: usize,
}

impl Origin for Parts<'_> {
    fn arguments(&mut self) -> Vec<Vec<u8>> {
        self.arguments.clone()
    }

    fn variable(&mut self, _: &str) -> Option<Vec<u8>> {
        self.rest.next().map(<[u8]>::to_vec)
    }

    fn read(&mut self, _: &[u8], max_bytes: usize) -> Option<Vec<u8>> {
        self.asked += 1;
        let part = self.rest.next()?;
        Some(part[..part.len().min(max_bytes)].to_vec())
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let is_end: fn(&u8) -> bool = |byte| *byte == 0x1e;
    let mut rest = bytes.split(is_end);
    let line = rest.next().unwrap_or_default();
    let arguments = line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect();
    bounded(|| {
        let mut parts = Parts {
            arguments,
            rest,
            asked: 0,
        };
        let launch = launch(&mut parts);
        assert!(launch.class_path.len() <= 4096 && launch.module_path.len() <= 4096);
        launch.property("quarkus.application.name");
        assert!(parts.asked <= 64, "{} files of arguments", parts.asked);
    });
});
