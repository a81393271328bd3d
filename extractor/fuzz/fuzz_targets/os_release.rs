#![no_main]

//! A container's os-release: what it names is a value.

use fingerprints::os_release;
use fuzz::{assert_value, bounded};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        if let Some(os) = os_release::parse(bytes) {
            assert_value(&os.id);
            assert_value(&os.version);
        }
    });
});
