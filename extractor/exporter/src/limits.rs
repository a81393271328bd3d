//! How much of everything one server takes on.

use std::time::Duration;

/// The bounds of one server.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at once; further ones wait to be accepted.
    pub connections: usize,
    /// Requests for runtime info worked on at once: one extracts, the others wait for their turn; further ones are told
    /// to come back.
    pub requests: usize,
    /// Longest request body: 8000 container references of 98 bytes.
    pub body_bytes: usize,
    /// For the header of a request.
    pub header: Duration,
    /// For the body of a request.
    pub body: Duration,
    /// From the body to the answer, the turn awaited included; callers give up after 2 minutes.
    pub answer: Duration,
    /// For the caller to take the reply.
    pub reply: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            requests: 4,
            body_bytes: 768 * 1024,
            header: Duration::from_secs(5),
            body: Duration::from_secs(10),
            answer: Duration::from_secs(105),
            reply: Duration::from_secs(20),
        }
    }
}
