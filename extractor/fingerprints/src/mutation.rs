//! Changed copies of good bytes, the same in every run, for parsers that must bear all of them.

/// Calls with every cut of the bytes, every byte set to a few values, and a thousand random changes.
pub fn each(good: &[u8], mut call: impl FnMut(&[u8])) {
    for end in (0..=good.len()).step_by(1 + good.len() / 256) {
        call(&good[..end]);
    }
    for index in (0..good.len()).step_by(1 + good.len() / 256) {
        for value in [0, 1, 0x7f, 0x80, 0xff, b'\n', b'"', good[index].wrapping_add(1)] {
            let mut bytes = good.to_vec();
            bytes[index] = value;
            call(&bytes);
        }
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random >> 16) as usize % below.max(1)
    };
    for _ in 0..1000 {
        let mut bytes = good.to_vec();
        for _ in 0..1 + next(8) {
            match (next(3), bytes.len()) {
                (_, 0) => bytes.push(next(256) as u8),
                (0, length) => bytes[next(length)] = next(256) as u8,
                (1, length) => bytes.insert(next(length), next(256) as u8),
                (_, length) => drop(bytes.remove(next(length))),
            }
        }
        call(&bytes);
    }
}

#[test]
fn text_parsers_bear_all_bytes() {
    let os = b"NAME=\"x\"\nID='debian'\nVERSION_ID=\"12\"\nJAVA_VERSION=\"17.0.1\"\nIMPLEMENTOR=\"Debian\"\n";
    each(os, |bytes| {
        let _ = (crate::os_release::parse(bytes), crate::java::release(bytes));
    });
    each(b"\0node.js/v22.14.0/x\0node.js/v1.2.3-rc.1\0", |bytes| {
        let _ = (crate::node::version(bytes), crate::node::exports(bytes));
    });
    each(b"\x003.11.2\0/usr/lib/libpython3.13.so.1.0\x003.14.0rc2\0", |bytes| {
        let found = crate::python::candidates(bytes);
        let _ = crate::python::choose(&found, crate::python::minor(bytes));
    });
    each(b"/usr/lib/jvm/jdk8/jre/lib/amd64/server/libjvm.so", |bytes| {
        let _ = (
            crate::java::homes(bytes),
            crate::java::disagrees(bytes, bytes),
            crate::value::text(bytes),
        );
    });
}
