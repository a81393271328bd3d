#![no_main]

//! The text of a request on port 3000, which the privileged program reads.

use fuzz::bounded;

#[path = "../../extractor/src/request.rs"]
#[expect(dead_code, reason = "its longest length is the reader's business")]
mod request;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        let Some(request::Wanted::These(wanted)) = request::parse(bytes) else {
            return;
        };
        assert!(wanted.is_sorted_by(|(one, _), (other, _)| one < other));
        let all = request::Wanted::These(wanted.clone());
        for (id, prefix) in wanted {
            assert!(all.includes(&id) && all.prefix(&id) == Some(prefix));
            assert!(exporter::patterns::is_container_reference(&format!("{prefix}{id}")));
        }
    });
});
