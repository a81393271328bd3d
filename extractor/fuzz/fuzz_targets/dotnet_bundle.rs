#![no_main]

//! The bundle of a single-file .NET application.

use fingerprints::dotnet_bundle;
use fuzz::bounded;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        dotnet_bundle::header(bytes);
        if let Some(place) = dotnet_bundle::config(bytes) {
            assert!(
                place.start < place.end && place.end - place.start <= 256 * 1024,
                "{place:?}"
            );
        }
    });
});
