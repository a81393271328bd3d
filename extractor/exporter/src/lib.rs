//! The unprivileged half of the node side: HTTP in front of the extractor.
//!
//! `routes` decides what to reply, `extraction` asks the extractor, `reader` and `directory` read what it wrote,
//! `records`, `patterns`, `answer`, `hash` and `people` are pure.

pub mod answer;
pub mod arguments;
pub mod client;
pub mod directory;
pub mod extraction;
pub mod hash;
pub mod limits;
pub mod memory;
pub mod metrics;
pub mod patterns;
pub mod people;
pub mod reader;
pub mod records;
pub mod request;
pub mod routes;
pub mod server;
