#![no_main]

//! The manifest of a jar, with what it adds to the class path.

use fingerprints::jvm::manifest;
use fuzz::bounded;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        let manifest = manifest::parse(bytes);
        for name in ["Main-Class", "Implementation-Version", "start-class"] {
            if let Some(value) = manifest.get(name) {
                assert!(!value.is_empty() && value.trim_ascii() == value && value.len() <= bytes.len());
            }
        }
        assert!(manifest.class_path().all(|path| !path.is_empty()));
    });
});
