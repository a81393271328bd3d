//! The one call of this program that Rust cannot check.
#![allow(unsafe_code)]

/// Gives free heap pages back to the system, which glibc by itself keeps for good after a burst.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes no pointer and may be called at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}
