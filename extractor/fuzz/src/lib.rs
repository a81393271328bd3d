//! What the targets have in common: a bound on memory, checks of what may leave a container, and processes made of bytes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use fingerprints::fixture::Fixture;
use fingerprints::rule::Runtime;
use fingerprints::value::{MAX_TEXT_BYTES, MAX_VALUE_BYTES};

/// More than this for one input ends the target: a child has 64 MiB of address space for everything.
const MAX_BYTES: usize = 32 << 20;

thread_local! {
    /// Bytes in use, counted from the start of the input.
    static USED: Cell<usize> = const { Cell::new(0) };
    /// Whether an input is being looked at: libFuzzer's own memory does not count.
    static IS_COUNTING: Cell<bool> = const { Cell::new(false) };
}

struct Bounded;

#[global_allocator]
static ALLOCATOR: Bounded = Bounded;

// SAFETY: everything is passed on to the system's allocator; only numbers are kept beside it.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.set(USED.get().saturating_sub(layout.size()));
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count(bytes: usize) {
    let used = USED.get() + bytes;
    USED.set(used);
    if used > MAX_BYTES && IS_COUNTING.replace(false) {
        panic!("{used} bytes of memory for one input");
    }
}

/// Looks at one input; ends the program when that takes too much memory.
pub fn bounded(look: impl FnOnce()) {
    USED.set(0);
    IS_COUNTING.set(true);
    look();
    IS_COUNTING.set(false);
}

/// Ends the program when the text could not leave a child as a name or version.
pub fn assert_value(text: &str) {
    assert!(text.len() <= MAX_VALUE_BYTES, "a long value: {text:?}");
    assert!(exporter::patterns::is_value(text), "no value: {text:?}");
}

/// The same for evidence and messages.
pub fn assert_text(text: &str) {
    assert!(text.len() <= MAX_TEXT_BYTES + 200, "a long text: {text:?}");
    assert!(exporter::patterns::is_text(text), "no text: {text:?}");
    assert!(!text.contains(['\t', '\n']), "a text with fields: {text:?}");
}

/// The same for what a rule found.
pub fn assert_runtime(runtime: &Runtime) {
    assert!(!runtime.name.is_empty(), "{runtime:?}");
    assert_value(&runtime.name);
    assert_value(&runtime.version);
    assert_text(&runtime.evidence);
}

/// Stands between the parts of a process that is written as bytes.
const PART: &[u8] = b"\n\x1e\x1e\n";
/// Stands between the path of a file and its content.
const CONTENT: u8 = 0x1f;

/// The process that the bytes spell: executable, mapped files by line, arguments by NUL, environment by NUL, and then files, each with
/// its path, 0x1f and its content.
pub fn process(bytes: &[u8]) -> Fixture {
    let mut rest = Some(bytes);
    let mut part = || {
        let (part, after) = cut(rest?);
        rest = after;
        Some(part)
    };
    let list = |part: Option<&[u8]>, end: u8| -> Vec<Vec<u8>> {
        let parts = part.unwrap_or_default().split(|byte| *byte == end);
        parts.filter(|part| !part.is_empty()).map(<[u8]>::to_vec).collect()
    };
    let mut fixture = Fixture::new("/");
    fixture.executable = part().unwrap_or_default().to_vec();
    fixture.mapped = list(part(), b'\n');
    fixture.arguments = list(part(), 0);
    fixture.environment = list(part(), 0);
    while let Some(file) = part() {
        let end = file.iter().position(|byte| *byte == CONTENT).unwrap_or(file.len());
        let content = file.get(end + 1..).unwrap_or_default();
        fixture.files.insert(file[..end].to_vec(), content.to_vec());
    }
    fixture
}

fn cut(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match bytes.windows(PART.len()).position(|window| window == PART) {
        Some(at) => (&bytes[..at], Some(&bytes[at + PART.len()..])),
        None => (bytes, None),
    }
}

/// The bytes that spell a process; the opposite of [`process`].
pub fn bytes(fixture: &Fixture) -> Vec<u8> {
    let mut parts = vec![
        fixture.executable.clone(),
        fixture.mapped.join(&b'\n'),
        fixture.arguments.join(&0),
        fixture.environment.join(&0),
    ];
    let files = fixture.files.iter();
    parts.extend(files.map(|(path, content)| [path.as_slice(), &[CONTENT], content].concat()));
    parts.join(PART)
}
