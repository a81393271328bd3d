#![no_main]

//! The files of a container's directory that have keys and values, up to the reply's JSON.

use std::collections::BTreeMap;

use exporter::answer::RuntimeInfo;
use exporter::records::properties;
use fuzz::{assert_value, bounded};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        let found = properties(bytes);
        let other = BTreeMap::new();
        for (os, kind, more) in [(&found, &found, &[][..]), (&other, &other, &[found.clone()][..])] {
            let (info, _) = RuntimeInfo::from_properties(os, kind, more);
            for value in [
                &info.os,
                &info.os_version,
                &info.kind,
                &info.kind_version,
                &info.kind_implementer,
            ] {
                assert_value(value);
            }
            for component in &info.runtimes {
                assert_value(&component.name);
                assert_value(&component.version);
            }
            info.hashed();
        }
    });
});
