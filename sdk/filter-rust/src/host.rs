use core::sync::atomic::{AtomicI32, Ordering};

use crate::{abi, exchange, sys, Error};

/// A log level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Debug = abi::DEBUG as isize,
    Info = abi::INFO as isize,
    Warn = abi::WARN as isize,
    Error = abi::ERROR as isize,
}

/// Writes a line to the gateway's log. Never log what a client wrote.
pub fn log(level: Level, message: &str) {
    unsafe { sys::log(level as u32, message.as_ptr(), message.len()) }
}

pub fn debug(message: &str) {
    log(Level::Debug, message)
}

pub fn info(message: &str) {
    log(Level::Info, message)
}

pub fn warn(message: &str) {
    log(Level::Warn, message)
}

pub fn error(message: &str) {
    log(Level::Error, message)
}

/// Returns the wall clock in nanoseconds since 1970.
pub fn now() -> i64 {
    unsafe { sys::now() }
}

/// Fills b with random bytes, which a reset of the instance does not repeat.
pub fn random(b: &mut [u8]) -> Result<(), Error> {
    crate::result(unsafe { sys::random(b.as_mut_ptr(), b.len()) })
}

fn metric(kind: i32, name: &str, value: f64) -> Result<(), Error> {
    crate::result(unsafe { sys::metric(kind as u32, name.as_ptr(), name.len(), value) })
}

/// Adds to a counter.
pub fn count(name: &str, delta: f64) -> Result<(), Error> {
    metric(abi::COUNTER, name, delta)
}

/// Sets a gauge.
pub fn gauge(name: &str, value: f64) -> Result<(), Error> {
    metric(abi::GAUGE, name, value)
}

/// Adds a value to a histogram.
pub fn observe(name: &str, value: f64) -> Result<(), Error> {
    metric(abi::HISTOGRAM, name, value)
}

/// Sends an event of the filter's own; fields is a JSON object.
pub fn emit(name: &str, fields: &[u8]) -> Result<(), Error> {
    crate::result(unsafe { sys::event(name.as_ptr(), name.len(), fields.as_ptr(), fields.len()) })
}

/// The answer of a rate. Times are milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    pub ok: bool,
    pub limit: u32,
    pub remaining: u32,
    /// Until nothing is used any more.
    pub reset: u32,
    /// Until the same request may pass; 0 when ok.
    pub retry_after: u32,
    /// By which to slow the exchange down.
    pub delay: u32,
}

/// Takes cost from the filter's rate block of that name, counted per key. Where it is allowed, only ok
/// and delay are filled, at the price of one call; `Decision::last` tells the rest.
pub fn take(rate: &str, key: &str, cost: u32) -> Result<Decision, Error> {
    let n = unsafe { sys::rate_take(rate.as_ptr(), rate.len(), key.as_ptr(), key.len(), cost) };
    if n >= 0 {
        return Ok(Decision { ok: true, delay: n as u32, ..Decision::default() });
    }
    if n as i32 == abi::LIMIT {
        return Decision::last();
    }
    Err(Error(n as i32))
}

/// Has the answer tell the client the decision of the last `take` of this callback, in the fields
/// RateLimit-Limit, RateLimit-Remaining and RateLimit-Reset. Of several that are told, by any filter, the
/// client gets the one of which least is left.
pub fn tell() -> Result<(), Error> {
    crate::result(unsafe { sys::rate_tell() })
}

/// Says that this configuration has no need of events that the manifest names, by their numbers in
/// `abi`: the host does not call for them. It is called in `configure`.
pub fn skip(events: &[i32]) {
    for e in events {
        SKIPPED.fetch_or(1 << e, Ordering::Relaxed);
    }
}

pub(crate) static SKIPPED: AtomicI32 = AtomicI32::new(0);

impl Decision {
    /// Returns the whole decision of the last `take` of this callback.
    pub fn last() -> Result<Decision, Error> {
        let b = exchange::get(abi::RATE, "")?;
        if b.len() < abi::RATE_RECORD as usize {
            return Err(Error(abi::INTERNAL));
        }
        let word = |i: usize| u32::from_le_bytes([b[4 * i], b[4 * i + 1], b[4 * i + 2], b[4 * i + 3]]);
        Ok(Decision {
            ok: word(3) == 0,
            limit: word(0),
            remaining: word(1),
            reset: word(2),
            retry_after: word(3),
            delay: word(4),
        })
    }
}
