//! Log lines on standard error. Names of workloads and IDs of containers only at level debug.

use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};

/// How much is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What keeps the program from working.
    Error,
    /// What one scan lacks.
    Warn,
    /// One line per scan.
    Info,
    /// One line per container.
    Debug,
}

static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// The level of that name, as upstream's `--log-level` has them; `trace` is as `debug`.
pub fn level(name: &str) -> Option<Level> {
    match name.to_ascii_lowercase().as_str() {
        "error" => Some(Level::Error),
        "warn" => Some(Level::Warn),
        "info" => Some(Level::Info),
        "debug" | "trace" => Some(Level::Debug),
        _ => None,
    }
}

/// Sets how much is written from now on.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

fn write(level: Level, name: &str, line: &str) {
    if level as u8 <= LEVEL.load(Ordering::Relaxed) {
        // Nobody may be reading; that is no reason to stop.
        let _ = std::io::stderr().write_all(format!("{name} {line}\n").as_bytes());
    }
}

/// Writes a line at level error.
pub fn error(line: &str) {
    write(Level::Error, "ERROR", line);
}

/// Writes a line at level warn.
pub fn warn(line: &str) {
    write(Level::Warn, "WARN", line);
}

/// Writes a line at level info.
pub fn info(line: &str) {
    write(Level::Info, "INFO", line);
}

/// Writes a line at level debug.
pub fn debug(line: &str) {
    write(Level::Debug, "DEBUG", line);
}
