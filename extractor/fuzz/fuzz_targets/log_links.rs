#![no_main]

//! Names of links in `/var/log/containers`: what they tell of has the form of a pod.

use exporter::patterns::{is_namespace, is_object_name};
use fuzz::bounded;
use node::links;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    bounded(|| {
        let found: Vec<_> = bytes.split(|byte| *byte == b'\n').filter_map(links::parse).collect();
        for (_, place) in &found {
            assert!(
                is_object_name(&place.pod) && is_object_name(&place.container),
                "{place:?}"
            );
            assert!(is_namespace(&place.namespace), "{place:?}");
        }
        let (count, ids) = (found.len(), found.clone());
        let places = links::Places::new(found, 0);
        assert!(places.len() + places.refused <= count, "{count}");
        for (id, place) in ids {
            if let Some((_, kept)) = places.index(&id).and_then(|index| places.get(index)) {
                assert!(*kept == place, "two places for {id}");
            }
        }
    });
});
