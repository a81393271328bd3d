#![no_main]

//! A whole process with its files, command line and environment, as the child sees it: all rules in their order.

use fingerprints::value::MAX_TEXT_BYTES;
use fuzz::{assert_runtime, assert_text, assert_value, bounded, process};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        let (identity, notes) = process(bytes).identify();
        if let Some(kind) = &identity.kind {
            assert_value(kind.name);
            assert_value(&kind.version);
            assert_value(&kind.implementer);
        }
        assert_text(&identity.evidence);
        assert_text(&identity.version_evidence);
        assert!(identity.runtimes.len() <= 16, "{} runtimes", identity.runtimes.len());
        identity
            .runtimes
            .iter()
            .for_each(|(_, runtime)| assert_runtime(runtime));
        for (_, _, message) in &notes {
            assert!(message.len() <= 2 * MAX_TEXT_BYTES, "{message}");
            assert_text(message);
        }
    });
});
