//! What a node runs.
