//! What a rule may see of a process, and what it may say.

use std::any::Any;
use std::rc::Rc;

use crate::program::Program;

/// A process as the rules see it. Every read is bounded by whoever owns the files; a read that was refused gives nothing and is
/// noted there, so that a rule only tells what it found.
pub trait View {
    /// The path of what is executed, links resolved, without the mark of a deleted file. Evidence, and a choice of where to
    /// look; never by itself a reason to recognise something.
    fn executable(&self) -> Rc<[u8]>;
    /// Facts of the file that is executed.
    fn program(&mut self) -> Rc<Program>;
    /// Whether the process turned out to have ended.
    fn is_gone(&self) -> bool;
    /// The paths of the mapped files, each once, by address, without the mark of a deleted file.
    fn mapped(&mut self) -> Rc<Vec<Vec<u8>>>;
    /// The command line. The process may have overwritten it: it chooses where to look, not what is said.
    fn arguments(&mut self) -> Rc<Vec<Vec<u8>>>;
    /// A variable of the environment that the process was started with; as trustworthy as the command line.
    fn variable(&mut self, name: &str) -> Option<Vec<u8>>;
    /// The start of a regular file. The path is absolute in the container or relative to the working directory.
    fn read(&mut self, path: &[u8], max_bytes: usize) -> Option<Vec<u8>>;
    /// At most that many bytes of a regular file from an offset on; fewer at its end.
    fn read_at(&mut self, path: &[u8], offset: u64, max_bytes: usize) -> Option<Vec<u8>>;
    /// The length of a regular file in bytes.
    fn size(&mut self, path: &[u8]) -> Option<u64>;
    /// Whether both paths name the same regular file.
    fn is_same(&mut self, one: &[u8], other: &[u8]) -> bool;
    /// Names in a folder, sorted; of a folder that is larger than the owner's bound, some.
    fn names(&mut self, folder: &[u8]) -> Vec<Vec<u8>>;
    /// What `find` finds first among the constants (read-only data) of an executed or mapped file, window by window; windows
    /// overlap by [`crate::program::OVERLAP`] bytes. At the end `find` is called once more, with no bytes, to give what it has collected.
    /// The result is remembered for the file and the key, for other processes that have the same file.
    fn constants(
        &mut self,
        file: &[u8],
        key: &'static str,
        find: &mut dyn FnMut(&[u8]) -> Option<String>,
    ) -> Option<String> {
        self.constants_near(file, key, 0..0, find)
    }
    /// The same, with the place that is searched first: offsets from the start of the constants.
    fn constants_near(
        &mut self,
        file: &[u8],
        key: &'static str,
        near: std::ops::Range<u64>,
        find: &mut dyn FnMut(&[u8]) -> Option<String>,
    ) -> Option<String>;
    /// The same for a part of the file that is executed, such as one of its sections.
    fn search(
        &mut self,
        part: std::ops::Range<u64>,
        key: &'static str,
        find: &mut dyn FnMut(&[u8]) -> Option<String>,
    ) -> Option<String>;
    /// The start of a section of the file that is executed.
    fn section(&mut self, name: &str, max_bytes: usize) -> Option<Vec<u8>>;
    /// A place for what a group of rules has made out about the process, so that the next of them finds it.
    fn kept(&mut self) -> &mut Option<Rc<dyn Any>>;
    /// Says why something is not known, or not as expected: `about` is `kind`, `kindVersion` or `runtimes`. A note that
    /// something is `unversioned` is left out when a refused read was noted, which says more.
    fn note(&mut self, about: &'static str, reason: &'static str, message: String);
}
