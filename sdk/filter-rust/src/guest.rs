//! The exports that the host calls, and the trait that a filter implements.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::UnsafeCell;

use crate::{abi, host, Action, Exchange, Reply, Window};

/// A filter's handlers; the manifest says which are called. One that is not written goes on.
#[allow(unused_variables)]
pub trait Filter: Sized {
    /// Reads the config, JSON that already fits the manifest's schema. It runs once per instance of
    /// the module, before anything else; only it may compile rules. An error refuses the
    /// configuration and is shown to the operator.
    fn configure(config: &[u8]) -> Result<Self, String>;

    fn request_head(&mut self, x: &Exchange) -> Action {
        Action::CONTINUE
    }
    fn request_body(&mut self, x: &Exchange, raw: &[u8]) -> Action {
        Action::CONTINUE
    }
    /// Every text of the conversation.
    fn request_text(&mut self, x: &Exchange) -> Action {
        Action::CONTINUE
    }
    fn response_head(&mut self, x: &Exchange) -> Action {
        Action::CONTINUE
    }
    /// The raw body of an answer that is no stream.
    fn response_body(&mut self, x: &Exchange, raw: &[u8]) -> Action {
        Action::CONTINUE
    }
    /// Text of the answer.
    fn delta(&mut self, x: &Exchange, w: &Window) -> Action {
        Action::CONTINUE
    }
    /// One server-sent event.
    fn event(&mut self, x: &Exchange, raw: &[u8]) -> Action {
        Action::CONTINUE
    }
    /// Usage and finish reason are known.
    fn end(&mut self, x: &Exchange) -> Action {
        Action::CONTINUE
    }
    /// Nothing can be changed any more.
    fn done(&mut self, x: &Exchange) -> Action {
        Action::CONTINUE
    }
    /// A call has ended while a handler pauses. It may do what that handler may, and its action counts
    /// as that handler's; PAUSE waits for the next call. The instance may be another one: what it needs
    /// to know goes through `put_state`. After a tick, x is empty.
    fn call_done(&mut self, x: &Exchange, r: &Reply<'_>) -> Action {
        Action::CONTINUE
    }
    /// Once in the manifest's tick_ms, outside of exchanges: it may log, count, keep values and make
    /// calls.
    fn tick(&mut self) -> Action {
        Action::CONTINUE
    }
}

/// The module's one filter and the buffer that the host writes into. `export!` makes one; nothing else
/// should.
pub struct Guest<F> {
    filter: UnsafeCell<Option<F>>,
    input: UnsafeCell<Vec<u8>>,
}

// The host calls a module from one thread, and not again before a call has returned.
unsafe impl<F> Sync for Guest<F> {}

impl<F: Filter> Guest<F> {
    pub const fn new() -> Self {
        Guest { filter: UnsafeCell::new(None), input: UnsafeCell::new(Vec::new()) }
    }

    #[allow(clippy::mut_from_ref)]
    fn input(&self) -> &mut Vec<u8> {
        unsafe { &mut *self.input.get() }
    }

    pub fn alloc(&self, n: i32) -> *mut u8 {
        let input = self.input();
        if input.len() < n as usize {
            input.resize(n as usize, 0);
        }
        input.as_mut_ptr()
    }

    pub fn init(&self, n: i32) -> i32 {
        #[cfg(feature = "std")]
        std::panic::set_hook(std::boxed::Box::new(|p| host::error(&alloc::format!("{}", p))));
        match F::configure(&self.input()[..n as usize]) {
            Ok(f) => {
                unsafe { *self.filter.get() = Some(f) };
                host::SKIPPED.load(core::sync::atomic::Ordering::Relaxed)
            }
            Err(why) => {
                host::error(&why);
                abi::INVALID
            }
        }
    }

    pub fn on(&self, event: i32, n: i32) -> i32 {
        let f = match unsafe { &mut *self.filter.get() } {
            Some(f) => f,
            None => return abi::INTERNAL,
        };
        let x = Exchange(());
        let raw = &self.input()[..n as usize];
        match event {
            abi::REQUEST_HEAD => f.request_head(&x),
            abi::REQUEST_BODY => f.request_body(&x, raw),
            abi::REQUEST_TEXT => f.request_text(&x),
            abi::RESPONSE_HEAD => f.response_head(&x),
            abi::RESPONSE_BODY => f.response_body(&x, raw),
            abi::DELTA => f.delta(&x, &Window::new()),
            abi::EVENT => f.event(&x, raw),
            abi::END => f.end(&x),
            abi::DONE => f.done(&x),
            abi::CALL_DONE => f.call_done(&x, &Reply(raw)),
            abi::TICK => f.tick(),
            _ => Action::CONTINUE,
        }
        .0
    }
}

impl<F: Filter> Default for Guest<F> {
    fn default() -> Self {
        Guest::new()
    }
}

/// Makes a type that implements `Filter` the module's filter. It is written once.
#[macro_export]
macro_rules! export {
    ($filter:ty) => {
        static GINNEL_GUEST: $crate::guest::Guest<$filter> = $crate::guest::Guest::new();

        #[no_mangle]
        pub extern "C" fn ginnel_abi_1() -> i32 {
            $crate::guest::MINOR
        }
        #[no_mangle]
        pub extern "C" fn ginnel_alloc(n: i32) -> *mut u8 {
            GINNEL_GUEST.alloc(n)
        }
        #[no_mangle]
        pub extern "C" fn ginnel_init(n: i32) -> i32 {
            GINNEL_GUEST.init(n)
        }
        #[no_mangle]
        pub extern "C" fn ginnel_on(event: i32, n: i32) -> i32 {
            GINNEL_GUEST.on(event, n)
        }
    };
}

/// The minor version of the ABI that this library needs.
pub const MINOR: i32 = 0;
