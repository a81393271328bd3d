#![no_main]

//! Go's build information, in the section and searched for, with inline and with pointed-to strings.

use fingerprints::{build_info, elf};
use fuzz::{assert_value, bounded};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        // The first half lays out the second.
        let (start, window) = bytes.split_at(bytes.len().min(120));
        let Some(layout) = elf::parse(start) else {
            return;
        };
        let window = build_info::find(window).map_or(window, |at| &window[at..]);
        if let Some(build_info::Version::Inline(Some(version))) = build_info::parse(window, &layout) {
            assert_value(&version);
        }
        build_info::string_header(window, &layout);
        build_info::toolchain(window)
            .iter()
            .for_each(|version| assert_value(version));
        build_info::main_package(window)
            .iter()
            .for_each(|package| assert_value(package));
    });
});
