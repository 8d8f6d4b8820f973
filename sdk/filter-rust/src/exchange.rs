use alloc::string::String;
use alloc::vec::Vec;

use crate::{abi, fetch, result, sys, Action, Error, Text};

/// The request and its answer that the callback is about. It has no content of its own: its methods
/// ask the host.
pub struct Exchange(pub(crate) ());

/// A part of an exchange that is text. A header is asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field(pub(crate) i32);

#[allow(missing_docs)]
impl Field {
    pub const METHOD: Field = Field(abi::METHOD);
    pub const PATH: Field = Field(abi::PATH);
    pub const QUERY: Field = Field(abi::QUERY);
    pub const MODEL: Field = Field(abi::MODEL);
    pub const ROUTE: Field = Field(abi::ROUTE);
    pub const DIALECT: Field = Field(abi::DIALECT);
    pub const TENANT: Field = Field(abi::TENANT);
    pub const REQUEST_ID: Field = Field(abi::REQUEST_ID);
    pub const REMOTE: Field = Field(abi::REMOTE);
    pub const HOST: Field = Field(abi::HOST);
    pub const KEY_ID: Field = Field(abi::KEY_ID);
    pub const OP: Field = Field(abi::OP);
    pub const FINISH: Field = Field(abi::FINISH);
    pub const TERMINAL: Field = Field(abi::TERMINAL);
    pub const LISTENER: Field = Field(abi::LISTENER);
    /// A part of the request whose content no filter can see, if there is one.
    pub const UNSEEN: Field = Field(abi::UNSEEN);
}

pub(crate) fn get(field: i32, key: &str) -> Result<Vec<u8>, Error> {
    fetch(128, |b| unsafe { sys::get(field as u32, key.as_ptr(), key.len(), b.as_mut_ptr(), b.len()) })
}

pub(crate) fn number(field: i32) -> usize {
    let n = unsafe { sys::get(field as u32, core::ptr::null(), 0, core::ptr::null_mut(), 0) };
    n.max(0) as usize
}

fn set(field: i32, key: &str, value: &str) -> Result<(), Error> {
    result(unsafe { sys::set(field as u32, key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
}

fn del(field: i32, key: &str) -> Result<(), Error> {
    result(unsafe { sys::del(field as u32, key.as_ptr(), key.len()) })
}

fn has(field: i32, key: &str) -> bool {
    unsafe { sys::get(field as u32, key.as_ptr(), key.len(), core::ptr::null_mut(), 0) >= 0 }
}

pub(crate) fn string(b: Vec<u8>) -> String {
    String::from_utf8(b).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

pub(crate) fn headers(field: i32) -> Vec<(String, String)> {
    let all = fetch(512, |b| unsafe { sys::list(field as u32, b.as_mut_ptr(), b.len()) }).unwrap_or_default();
    let mut out = Vec::new();
    let mut parts = all.split(|&c| c == 0);
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        out.push((string(name.into()), string(value.into())));
    }
    out
}

impl Exchange {
    /// Returns a field, where it is known.
    pub fn get(&self, f: Field) -> Option<String> {
        get(f.0, "").ok().map(string)
    }

    /// Returns the answer's status, 0 before there is one.
    pub fn status(&self) -> u16 {
        number(abi::STATUS) as u16
    }

    /// Reports whether the client asked for a stream.
    pub fn stream(&self) -> bool {
        number(abi::STREAM) == 1
    }

    /// Reports whether the request came over TLS.
    pub fn tls(&self) -> bool {
        number(abi::TLS) == 1
    }

    /// Returns what the call consumed, input and output, from `end` on, where the provider told.
    pub fn tokens(&self) -> (usize, usize) {
        (number(abi::INPUT_TOKENS), number(abi::OUTPUT_TOKENS))
    }

    /// Returns the milliseconds since the request came.
    pub fn elapsed(&self) -> usize {
        number(abi::ELAPSED)
    }

    /// Returns the first request header of that name. Credentials are visible to built-in filters only.
    pub fn header(&self, name: &str) -> Option<String> {
        get(abi::HEADER, name).ok().map(string)
    }

    /// Reports whether the request has a header of that name.
    pub fn has_header(&self, name: &str) -> bool {
        has(abi::HEADER, name)
    }

    /// Replaces the request's headers of that name.
    pub fn set_header(&self, name: &str, value: &str) -> Result<(), Error> {
        set(abi::HEADER, name, value)
    }

    /// Adds a request header.
    pub fn add_header(&self, name: &str, value: &str) -> Result<(), Error> {
        set(abi::HEADER | abi::APPEND, name, value)
    }

    /// Drops the request's headers of that name.
    pub fn del_header(&self, name: &str) -> Result<(), Error> {
        del(abi::HEADER, name)
    }

    /// Returns all request headers.
    pub fn headers(&self) -> Vec<(String, String)> {
        headers(abi::HEADER)
    }

    /// `header` for the answer, from `response_head` on; so the next ones.
    pub fn response_header(&self, name: &str) -> Option<String> {
        get(abi::RESPONSE_HEADER, name).ok().map(string)
    }

    pub fn has_response_header(&self, name: &str) -> bool {
        has(abi::RESPONSE_HEADER, name)
    }

    pub fn set_response_header(&self, name: &str, value: &str) -> Result<(), Error> {
        set(abi::RESPONSE_HEADER, name, value)
    }

    pub fn add_response_header(&self, name: &str, value: &str) -> Result<(), Error> {
        set(abi::RESPONSE_HEADER | abi::APPEND, name, value)
    }

    pub fn del_response_header(&self, name: &str) -> Result<(), Error> {
        del(abi::RESPONSE_HEADER, name)
    }

    pub fn response_headers(&self) -> Vec<(String, String)> {
        headers(abi::RESPONSE_HEADER)
    }

    /// Changes the answer's status, in `response_head`.
    pub fn set_status(&self, status: u16) -> Result<(), Error> {
        set(abi::STATUS, "", &alloc::format!("{}", status))
    }

    /// Returns the value at an RFC 6901 pointer in the body of the request or, from `response_head` on,
    /// of the answer, as it was written.
    pub fn json(&self, pointer: &str) -> Result<Vec<u8>, Error> {
        fetch(256, |b| unsafe { sys::json_get(pointer.as_ptr(), pointer.len(), b.as_mut_ptr(), b.len()) })
    }

    /// Replaces the value at an RFC 6901 pointer, which must exist, by another JSON value.
    pub fn set_json(&self, pointer: &str, value: &[u8]) -> Result<(), Error> {
        result(unsafe { sys::json_set(pointer.as_ptr(), pointer.len(), value.as_ptr(), value.len()) })
    }

    /// Appends to what a handler that returns REPLACE puts in the place of the body or the window.
    pub fn out(&self, b: &[u8]) -> Result<(), Error> {
        result(unsafe { sys::out(b.as_ptr(), b.len()) })
    }

    /// Leaves a note on the exchange; it travels in the event and the request log.
    pub fn annotate(&self, key: &str, value: &str) -> Result<(), Error> {
        result(unsafe { sys::annotate(key.as_ptr(), key.len(), value.as_ptr(), value.len()) })
    }

    /// Returns the last note under a key, of any filter.
    pub fn note(&self, key: &str) -> Option<String> {
        get(abi::NOTE, key).ok().map(string)
    }

    /// Returns what `put_state` kept for this filter and exchange, at most 64 KiB.
    pub fn state(&self) -> Option<Vec<u8>> {
        fetch(256, |b| unsafe { sys::state_get(b.as_mut_ptr(), b.len()) }).ok()
    }

    /// Keeps b with the exchange. The manifest declares state per-stream.
    pub fn put_state(&self, b: &[u8]) -> Result<(), Error> {
        result(unsafe { sys::state_put(b.as_ptr(), b.len()) })
    }

    /// Holds the exchange up after the callback.
    pub fn delay(&self, milliseconds: u32) -> Result<(), Error> {
        result(unsafe { sys::delay(milliseconds) })
    }

    /// Returns the number of texts in `request_text`.
    pub fn texts(&self) -> usize {
        unsafe { sys::text_count() }.max(0) as usize
    }

    /// Returns text i of `request_text`, in the order of the body.
    pub fn text(&self, i: usize) -> Text {
        Text(i as u32)
    }

    /// Answers in the upstream's place; in a stream that began it ends it. Its result is the handler's.
    pub fn respond(&self, a: &Answer<'_>) -> Action {
        let mut h = Vec::new();
        let mut put = |name: &str, value: &str| {
            for s in [name, value] {
                h.extend_from_slice(s.as_bytes());
                h.push(0);
            }
        };
        if !a.code.is_empty() {
            put(abi::PSEUDO_CODE, a.code);
        }
        if !a.class.is_empty() {
            put(abi::PSEUDO_CLASS, a.class);
        }
        for (name, value) in a.header {
            put(name, value);
        }
        let n = unsafe { sys::respond(a.status as u32, h.as_ptr(), h.len(), a.body.as_ptr(), a.body.len()) };
        if n < 0 {
            return Action::FAILED;
        }
        Action(abi::RESPOND)
    }

    /// Answers with the dialect's error for a refusal.
    pub fn deny(&self, class: &str, message: &str) -> Action {
        self.respond(&Answer { status: 403, code: "denied", class, body: message, ..Answer::default() })
    }
}

/// A filter's own reply.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    pub status: u16,
    pub header: &'a [(&'a str, &'a str)],
    /// A code of sdk/llm such as "denied" makes the answer an error in the client's dialect whose
    /// message is the body; without one the body is sent as it is.
    pub code: &'a str,
    /// What was found, for the event and the metric.
    pub class: &'a str,
    pub body: &'a str,
}
