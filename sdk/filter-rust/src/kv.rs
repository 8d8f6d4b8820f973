use alloc::vec::Vec;

use crate::{fetch, result, sys, Error};

/// Returns the value under a key, or NOT_FOUND.
pub fn kv_get(key: &str) -> Result<Vec<u8>, Error> {
    fetch(256, |b| unsafe { sys::kv_get(key.as_ptr(), key.len(), b.as_mut_ptr(), b.len()) })
}

/// Keeps a value of at most 64 KiB under a key of at most 256 bytes. A ttl of 0 means 90 days, which is
/// the most.
pub fn kv_set(key: &str, value: &[u8], ttl_milliseconds: u32) -> Result<(), Error> {
    result(unsafe { sys::kv_set(key.as_ptr(), key.len(), value.as_ptr(), value.len(), ttl_milliseconds) })
}

/// Adds to the number under a key, which begins as 0, and returns the sum; the ttl counts from the first
/// `kv_add`. Where the sum would be below zero nothing is changed and the error is LIMIT.
pub fn kv_add(key: &str, delta: i64, ttl_milliseconds: u32) -> Result<i64, Error> {
    let n = unsafe { sys::kv_incr(key.as_ptr(), key.len(), delta, ttl_milliseconds) };
    if n < 0 {
        return Err(Error(n as i32));
    }
    Ok(n)
}
