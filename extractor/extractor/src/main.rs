//! The program `extractor_server`.
#![forbid(unsafe_code)]
fn main() {}
