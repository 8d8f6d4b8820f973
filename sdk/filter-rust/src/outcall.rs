use alloc::string::String;
use alloc::vec::Vec;

use crate::exchange::{get, headers, number, string};
use crate::{abi, result, sys, Error};

/// An HTTP call to another server: to an origin that the operator granted, and to nothing else. The
/// gateway adds no credential and follows no redirect.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outcall<'a> {
    /// Absolute.
    pub url: &'a str,
    /// Empty means GET, or POST where there is a body.
    pub method: &'a str,
    pub header: &'a [(&'a str, &'a str)],
    /// At most 1 MiB.
    pub body: &'a [u8],
    /// Milliseconds of the whole call; 0 means 5 s, at most 2 min.
    pub timeout: u32,
}

/// Begins a call and returns its number. `call_done` gets what became of it, if a handler waits for it
/// with PAUSE; what nobody waits for ends with the exchange, unless `done` or `tick` began it.
pub fn http_call(c: &Outcall<'_>) -> Result<u32, Error> {
    let mut block = Vec::with_capacity(256 + c.body.len());
    let mut put = |name: &str, value: &str| {
        for s in [name, value] {
            block.extend_from_slice(s.as_bytes());
            block.push(0);
        }
    };
    put(abi::PSEUDO_URL, c.url);
    if !c.method.is_empty() {
        put(abi::PSEUDO_METHOD, c.method);
    }
    for (name, value) in c.header {
        put(name, value);
    }
    block.push(0);
    block.extend_from_slice(c.body);
    let n = unsafe { sys::http_call(block.as_ptr(), block.len(), c.timeout) };
    result(n)?;
    Ok(n as u32)
}

/// What became of a call.
pub struct Reply<'a>(pub(crate) &'a [u8]);

impl<'a> Reply<'a> {
    /// Returns the call's number.
    pub fn id(&self) -> u32 {
        number(abi::CALL_ID) as u32
    }

    /// Returns the answer's status, 0 where there is no answer.
    pub fn status(&self) -> u16 {
        number(abi::CALL_STATUS) as u16
    }

    /// Returns the answer's first header of that name.
    pub fn header(&self, name: &str) -> Option<String> {
        get(abi::CALL_HEADER, name).ok().map(string)
    }

    /// Returns all headers of the answer.
    pub fn headers(&self) -> Vec<(String, String)> {
        headers(abi::CALL_HEADER)
    }

    /// Returns the answer's body, at most 1 MiB.
    pub fn body(&self) -> &'a [u8] {
        self.0
    }

    /// Says why the answer is not whole, with a code of sdk/llm such as "timeout", "unavailable" or
    /// "too_large".
    pub fn problem(&self) -> Option<String> {
        get(abi::CALL_ERROR, "").ok().map(string)
    }
}
