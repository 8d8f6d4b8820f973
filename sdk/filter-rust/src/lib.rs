//! The guest library for Ginnel's WASM filters in Rust: handlers for the events of an exchange, typed
//! accessors to it, native pattern matching in the host, and a small JSON reader for the config.
//!
//! It has no dependency and needs `core` and `alloc` only. A filter, whole:
//!
//! ```ignore
//! use ginnel_filter::{export, Action, Exchange, Filter};
//!
//! struct Team;
//!
//! impl Filter for Team {
//!     fn configure(_config: &[u8]) -> Result<Self, String> {
//!         Ok(Team)
//!     }
//!     fn request_head(&mut self, x: &Exchange) -> Action {
//!         if x.has_header("x-team") {
//!             return Action::CONTINUE;
//!         }
//!         x.deny("headers", "the header x-team is missing")
//!     }
//! }
//!
//! export!(Team);
//! ```
//!
//! It is built for wasm32-unknown-unknown as a cdylib, and a manifest.json, which declares the events
//! and capabilities, becomes a section of the module: `ginnel filter build` does both.
//!
//! A handler may ask another server and wait for its answer without holding an instance: it begins the
//! call with `http_call` and returns PAUSE, and `call_done` decides in its place. The manifest declares
//! the event call_done and the capability http, the operator grants the origins. What must outlive an
//! exchange goes to the store with `kv_set` and `kv_add` (capability kv).
//!
//! Handlers run one at a time. Nothing may be kept between callbacks that belongs to an exchange: what
//! must be kept goes to the host with `put_state`.
//!
//! Features: `std` (the default) writes what a panic says to the gateway's log; `allocator` is one that
//! is smaller than the standard library's. A filter that is `no_std` itself (Rust 1.68) turns `std` off
//! and takes `runtime`: a panic handler and the allocator.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod abi;
mod exchange;
pub mod guest;
mod host;
mod json;
mod kv;
mod outcall;
#[cfg(all(feature = "allocator", target_arch = "wasm32"))]
mod runtime;
mod scan;
mod sys;
mod text;

pub use exchange::{Answer, Exchange, Field};
pub use guest::Filter;
pub use host::{count, debug, emit, error, gauge, info, log, now, observe, random, take, warn, Decision, Level};
pub use json::Value;
pub use kv::{kv_add, kv_get, kv_set};
pub use outcall::{http_call, Outcall, Reply};
pub use scan::{Match, Matches, Set};
pub use text::{Kind, Role, Text, Window};

/// What a handler wants done with what it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action(pub(crate) i32);

impl Action {
    /// Go on, with whatever was edited.
    pub const CONTINUE: Action = Action(abi::CONTINUE);
    /// What `out` wrote becomes the body, or the window.
    pub const REPLACE: Action = Action(abi::REPLACE);
    /// Leave the event or the window's new text out.
    pub const DROP: Action = Action(abi::DROP);
    /// End the stream with the dialect's error.
    pub const CLOSE: Action = Action(abi::CLOSE);
    /// Wait for a call of `http_call`; `call_done` goes on in this one's place.
    pub const PAUSE: Action = Action(abi::PAUSE);
    /// The filter itself failed: the operator's on_error decides.
    pub const FAILED: Action = Action(abi::INTERNAL);
    /// Keep the whole window back.
    pub const HOLD_ALL: Action = Action(abi::HOLD);

    /// Keep the last n bytes of the window back until more of the text is there.
    pub fn hold(n: usize) -> Action {
        if n == 0 {
            return Action::CONTINUE;
        }
        Action(abi::HOLD | (n as i32) << abi::HOLD_SHIFT)
    }
}

/// A refusal of the host: a negative result of the ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(pub i32);

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self.0 {
            abi::NOT_FOUND => "not found",
            abi::DENIED => "denied",
            abi::INVALID => "invalid",
            abi::TOO_LARGE => "too large",
            abi::WRONG_PHASE => "wrong phase",
            abi::LIMIT => "limit",
            abi::UNSUPPORTED => "unsupported",
            _ => "internal error",
        })
    }
}

fn result(n: i32) -> Result<(), Error> {
    if n < 0 {
        return Err(Error(n));
    }
    Ok(())
}

/// Asks with a buffer, and again with a larger one where the first is too small.
fn fetch(first: usize, ask: impl Fn(&mut [u8]) -> i32) -> Result<alloc::vec::Vec<u8>, Error> {
    let mut buf = alloc::vec![0; first];
    loop {
        let n = ask(&mut buf);
        result(n)?;
        if n as usize <= buf.len() {
            buf.truncate(n as usize);
            return Ok(buf);
        }
        buf = alloc::vec![0; n as usize];
    }
}
