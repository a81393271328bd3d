#![no_main]

//! Query and body of a request on port 8080: what is passed on to the extractor is made of container references only.

use exporter::patterns::is_container_reference;
use exporter::request::{container_ids, options};
use fuzz::bounded;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            options(text);
        }
        if let Ok(ids) = container_ids(bytes) {
            let mut each = ids.split(',').filter(|id| !id.is_empty());
            assert!(each.all(is_container_reference), "{ids:?}");
        }
    });
});
