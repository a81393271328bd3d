//! How good the answer of a child is, which is all that it tells its parent besides how it ended.

/// How good an answer for its container a child has, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// The main process's platform, or a known server.
    Recognised,
    /// That the main process is a compiled program, and no more.
    Compiled,
    /// No platform.
    Nothing,
    /// The child did not come to its end.
    Unfinished,
}
