#![no_main]

//! Versions among the constants of an interpreter's program or library.

use fingerprints::{bun, deno, node, perl, php, python, ruby};
use fuzz::{assert_value, bounded};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        for find in [
            bun::version,
            deno::version,
            node::version,
            perl::version,
            php::version,
            ruby::version,
        ] {
            find(bytes).iter().for_each(|version| assert_value(version));
        }
        let found = python::candidates(bytes);
        found.iter().for_each(|version| assert_value(version));
        let minor = python::minor(bytes);
        python::choose(&found, minor)
            .iter()
            .for_each(|version| assert_value(version));
        (node::exports(bytes), node::is_imitated(bytes), python::exports(bytes));
        (node::is_library(bytes), python::is_library(bytes));
    });
});
