//! The memory of children.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::io::{self, Error};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::checked;

const STACK_BYTES: usize = 512 * 1024;
const ARENA_BYTES: usize = 1024 * 1024;

/// A stack and, above it, room for what a child allocates: mapped by the parent, which never touches it. So a child begins
/// with fresh pages side by side, instead of copying those of the parent that its heap happens to need.
pub struct Nursery {
    /// Where the stack begins, downwards, and the arena, upwards.
    border: *mut c_void,
}

impl Nursery {
    /// Mapped, with a page below the stack that ends the process which runs into it.
    pub(super) fn new() -> io::Result<Self> {
        let (rights, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
        );
        let bytes = STACK_BYTES + ARENA_BYTES;
        // SAFETY: a new mapping at an address that the kernel chooses.
        let bottom = unsafe { libc::mmap(std::ptr::null_mut(), bytes, rights, flags, -1, 0) };
        if bottom == libc::MAP_FAILED {
            return Err(Error::last_os_error());
        }
        // SAFETY: the lowest page of our own mapping; 64 KiB is a page or more everywhere.
        checked(unsafe { libc::mprotect(bottom, 64 * 1024, libc::PROT_NONE) })?;
        // SAFETY: within our own mapping.
        let border = unsafe { bottom.byte_add(STACK_BYTES) };
        Ok(Self { border })
    }

    /// The top of the stack, aligned as every platform wants it.
    pub(super) fn stack(&self) -> *mut c_void {
        self.border
    }

    /// From here on this process, a child of a single thread, allocates from the arena.
    pub(super) fn settle(&self) {
        let start = self.border.addr();
        ARENA_END.store(start + ARENA_BYTES, Ordering::Relaxed);
        ARENA_USED.store(start, Ordering::Relaxed);
        ARENA_NEXT.store(start, Ordering::Relaxed);
    }
}

/// Where the arena's next allocation begins, up to where it was ever used, and where it ends. All zero in the parent.
static ARENA_NEXT: AtomicUsize = AtomicUsize::new(0);
static ARENA_USED: AtomicUsize = AtomicUsize::new(0);
static ARENA_END: AtomicUsize = AtomicUsize::new(0);

/// Allocates as the system does; in a child from its nursery's arena as long as there is room. There only the latest
/// allocation can be given back or grow in place.
pub struct Allocator;

impl Allocator {
    /// A part of the arena; none when there is no arena or no room.
    fn take(layout: Layout) -> Option<usize> {
        let next = ARENA_NEXT.load(Ordering::Relaxed);
        if next == 0 {
            return None;
        }
        let start = next.checked_next_multiple_of(layout.align())?;
        let end = start.checked_add(layout.size())?;
        if end > ARENA_END.load(Ordering::Relaxed) {
            return None;
        }
        ARENA_NEXT.store(end, Ordering::Relaxed);
        Some(start)
    }

    fn is_in_arena(block: *mut u8) -> bool {
        let end = ARENA_END.load(Ordering::Relaxed);
        end != 0 && (end - ARENA_BYTES..end).contains(&block.addr())
    }

    /// Whether the block ends where the next one would begin.
    fn is_latest(block: *mut u8, layout: Layout) -> bool {
        block.addr() + layout.size() == ARENA_NEXT.load(Ordering::Relaxed)
    }

    fn end_at(end: usize) {
        ARENA_USED.fetch_max(ARENA_NEXT.load(Ordering::Relaxed), Ordering::Relaxed);
        ARENA_NEXT.store(end, Ordering::Relaxed);
    }
}

fn pointer(address: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(address)
}

// SAFETY: parts of the arena are aligned, handed out to one owner at a time, and stay mapped for the life of the process; all
// else is the system's.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match Self::take(layout) {
            Some(start) => pointer(start),
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let Some(start) = Self::take(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc_zeroed(layout) };
        };
        // Beyond what was ever used the kernel's zeros still stand.
        let used = ARENA_USED.load(Ordering::Relaxed).clamp(start, start + layout.size());
        // SAFETY: within the block.
        unsafe { pointer(start).write_bytes(0, used - start) };
        pointer(start)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !Self::is_in_arena(block) {
            // SAFETY: not from the arena, so from the system.
            unsafe { System.dealloc(block, layout) }
        } else if Self::is_latest(block, layout) {
            Self::end_at(block.addr());
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !Self::is_in_arena(block) {
            // SAFETY: not from the arena, so from the system.
            return unsafe { System.realloc(block, layout, new_size) };
        }
        let end = block.addr() + new_size;
        if Self::is_latest(block, layout) && end <= ARENA_END.load(Ordering::Relaxed) {
            Self::end_at(end);
            return block;
        }
        // SAFETY: the caller promises that the size is valid for the alignment.
        let new = unsafe { self.alloc(Layout::from_size_align_unchecked(new_size, layout.align())) };
        if !new.is_null() {
            // SAFETY: both are at least that long, and the new block is another one.
            unsafe { std::ptr::copy_nonoverlapping(block, new, layout.size().min(new_size)) };
        }
        new
    }
}

/// Gives free heap pages back to the system, which glibc by itself keeps after a burst.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: no pointers.
    unsafe {
        libc::malloc_trim(0)
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::{Births, Ending, await_end};

    /// In a process of its own, since a process never leaves its arena.
    #[test]
    fn a_child_allocates_from_its_arena_and_then_from_the_system() {
        let births = Births::new().expect("births");
        let child = births.fork(|| {
            let layout = |size| Layout::from_size_align(size, 16).expect("a layout");
            // SAFETY: blocks are used within their sizes and given back once.
            unsafe {
                let first = Allocator.alloc(layout(100));
                first.write_bytes(7, 100);
                let grown = Allocator.realloc(first, layout(100), 200);
                let is_in_place = grown == first;
                let second = Allocator.alloc(layout(50));
                let moved = Allocator.realloc(grown, layout(200), 300);
                let is_copied = moved != grown && (0..100).all(|index| moved.add(index).read() == 7);
                Allocator.dealloc(moved, layout(300));
                let again = Allocator.alloc_zeroed(layout(4096));
                let is_zero = again == moved && (0..4096).all(|index| again.add(index).read() == 0);
                let large = Allocator.alloc(layout(2 * ARENA_BYTES));
                large.write_bytes(1, 2 * ARENA_BYTES);
                Allocator.dealloc(large, layout(2 * ARENA_BYTES));
                let all = [
                    is_in_place,
                    is_copied,
                    is_zero,
                    second.addr() > first.addr(),
                    !Allocator::is_in_arena(large),
                ];
                all.iter().map(|ok| u8::from(!ok)).sum()
            }
        });
        let ended = await_end(child.expect("a child"), std::time::Duration::from_secs(10));
        assert_eq!(ended.expect("its end"), Some(Ending::Exited(0)));
    }
}
