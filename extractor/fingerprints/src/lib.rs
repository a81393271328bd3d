//! Facts about runtimes from the bytes that containers hold. Nothing here touches a file or makes a system call, and no
//! bytes make it panic.
#![forbid(unsafe_code)]
