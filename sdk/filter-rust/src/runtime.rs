//! What a no_std filter lacks: an allocator, and a panic handler that says why.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;

#[cfg(feature = "runtime")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    crate::host::error(&alloc::format!("{}", info));
    core::arch::wasm32::unreachable()
}

const SMALLEST: usize = 16;
const CLASSES: usize = 28; // 16 bytes to 2 GiB
const PAGE: usize = 64 << 10;

/// Blocks of powers of two, a list of free ones for each: small, and never slower than its longest
/// path. What it wastes, at most half, a filter's few buffers do not feel.
struct Blocks(UnsafeCell<State>);

struct State {
    free: [*mut u8; CLASSES],
    next: usize, // the first byte that was never given out
    end: usize,
}

// A module has one thread.
unsafe impl Sync for Blocks {}

#[global_allocator]
static BLOCKS: Blocks = Blocks(UnsafeCell::new(State { free: [core::ptr::null_mut(); CLASSES], next: 0, end: 0 }));

fn class(layout: &Layout) -> usize {
    let size = layout.size().max(layout.align()).max(SMALLEST);
    (size.next_power_of_two() / SMALLEST).trailing_zeros() as usize
}

unsafe impl GlobalAlloc for Blocks {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let s = &mut *self.0.get();
        let c = class(&layout);
        if c >= CLASSES {
            return core::ptr::null_mut();
        }
        let block = s.free[c];
        if !block.is_null() {
            s.free[c] = *(block as *mut *mut u8);
            return block;
        }
        s.grow(SMALLEST << c)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let s = &mut *self.0.get();
        let c = class(&layout);
        *(block as *mut *mut u8) = s.free[c];
        s.free[c] = block;
    }
}

impl State {
    /// Takes a new block from the end of the memory, aligned to its size or to a page.
    fn grow(&mut self, size: usize) -> *mut u8 {
        let align = size.min(PAGE);
        let start = (self.next + align - 1) & !(align - 1);
        let end = match start.checked_add(size) {
            Some(end) => end,
            None => return core::ptr::null_mut(),
        };
        if self.next == 0 || end > self.end {
            let pages = (size + align + PAGE - 1) / PAGE;
            let old = core::arch::wasm32::memory_grow(0, pages);
            if old == usize::MAX {
                return core::ptr::null_mut();
            }
            if old * PAGE != self.end {
                self.next = old * PAGE; // somebody else grew it
            }
            self.end = (old + pages) * PAGE;
            return self.grow(size);
        }
        self.next = end;
        start as *mut u8
    }
}
