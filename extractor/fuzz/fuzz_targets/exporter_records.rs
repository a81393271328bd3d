#![no_main]

//! The records of a `detail-<uid>.txt`, which a hostile container may have written, up to the reply's JSON.

use exporter::answer::RuntimeInfo;
use exporter::patterns::is_text;
use exporter::records::detail;
use fuzz::{assert_value, bounded};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        let half = bytes.len() / 2;
        let details = [detail(&bytes[..half]), detail(&bytes[half..])];
        for detail in &details {
            assert!(detail.processes.len() <= 64 && detail.notes.len() <= 64);
            let main = detail.processes.iter().filter(|process| process.role == "main");
            assert!(main.count() <= 1, "two main processes");
            for process in &detail.processes {
                assert_value(&process.kind);
                assert_value(&process.version);
                assert!(is_text(&process.evidence), "{process:?}");
            }
            assert!(detail.notes.iter().all(|note| is_text(&note.message)));
        }
        let info = RuntimeInfo::from_details(&details);
        for value in [
            &info.os,
            &info.os_version,
            &info.kind,
            &info.kind_version,
            &info.kind_implementer,
        ] {
            assert_value(value);
        }
    });
});
