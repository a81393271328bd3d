#![no_main]

//! The release file of a JDK, and the paths that tell where it lies.

use fingerprints::java;
use fuzz::{assert_value, bounded};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        let kind = java::release(bytes);
        assert_value(&kind.version);
        assert_value(&kind.implementer);
        for home in java::homes(bytes) {
            assert!(bytes.starts_with(home));
        }
        let (one, other) = bytes.split_at(bytes.len() / 2);
        java::disagrees(one, other);
        java::is_virtual_machine(bytes);
    });
});
