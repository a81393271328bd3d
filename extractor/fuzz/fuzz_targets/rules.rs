#![no_main]

//! One rule, which the first byte chooses, on a process that the others spell: also those that are rarely tried.

use fingerprints::rules::{PLATFORMS, RULES};
use fuzz::{assert_runtime, assert_text, assert_value, bounded, process};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((chosen, bytes)) = bytes.split_first() else {
        return;
    };
    bounded(|| {
        let mut fixture = process(bytes);
        let mut view = fixture.view();
        let chosen = usize::from(*chosen) % (PLATFORMS.len() + RULES.len());
        match PLATFORMS.get(chosen) {
            Some(platform) => {
                if let Some(found) = (platform.find)(&mut view) {
                    assert_value(&found.kind.version);
                    assert_value(&found.kind.implementer);
                    assert_text(&found.evidence);
                    assert_text(&found.version_evidence);
                }
            }
            None => {
                let found = (RULES[chosen - PLATFORMS.len()].find)(&mut view);
                found.iter().for_each(assert_runtime);
            }
        }
        drop(view);
        fixture.notes.iter().for_each(|(_, _, message)| assert_text(message));
    });
});
