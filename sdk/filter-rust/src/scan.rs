use alloc::vec::Vec;

use crate::{abi, fetch, sys, Error, Field, Text};

/// A compiled set of rules. The host matches it natively over texts that the guest never copies.
#[derive(Clone, Copy, Debug)]
pub struct Set(u32);

/// One match of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Index of the rule in its file.
    pub rule: u32,
    pub start: usize,
    pub end: usize,
    flags: u32,
}

impl Match {
    /// Reports whether the match is certain but its tail may go on in text that is to come; it is then
    /// returned again, as continued where this callback edited it.
    pub fn growing(&self) -> bool {
        self.flags & abi::GROWING_FLAG as u32 != 0
    }

    /// Reports whether the match began in text that an earlier callback edited: it now begins where
    /// that edit ended, and a redactor, whose placeholder stands there already, just removes it.
    pub fn continued(&self) -> bool {
        self.flags & abi::CONTINUED_FLAG as u32 != 0
    }
}

/// The result of a scan.
pub type Matches = Vec<Match>;

impl Set {
    /// Compiles a rules file; only `configure` may call it. The host keeps one copy for all instances.
    pub fn compile(rules: &[u8]) -> Result<Set, Error> {
        let n = unsafe { sys::scan_compile(rules.as_ptr(), rules.len()) };
        crate::result(n)?;
        Ok(Set(n as u32))
    }

    /// Scans a text of the conversation, or the window as it stands.
    pub fn text(&self, t: &Text) -> Result<Matches, Error> {
        self.scan(abi::SOURCE_TEXT, t.0)
    }

    /// Scans a field of the exchange.
    pub fn field(&self, f: Field) -> Result<Matches, Error> {
        self.scan(abi::SOURCE_FIELD, f.0 as u32)
    }

    /// Scans the values of the request's headers, one per line.
    pub fn headers(&self) -> Result<Matches, Error> {
        self.scan(abi::SOURCE_FIELD, abi::HEADER as u32)
    }

    /// Scans what is new in the window, remembering what came before it in the channel: a match is
    /// found however the text was cut. Offsets count from the window's beginning, as it stood when the
    /// callback began. The second result is the number of bytes at the window's end that may still
    /// become a match: a filter that redacts or denies holds them.
    pub fn window(&self) -> Result<(Matches, usize), Error> {
        let mut m = self.scan(abi::SOURCE_WINDOW, 0)?;
        let mut open = 0;
        if let Some(last) = m.last() {
            if last.rule == abi::OPEN {
                open = last.end - last.start;
                m.pop();
            }
        }
        Ok((m, open))
    }

    fn scan(&self, source: i32, i: u32) -> Result<Matches, Error> {
        let records = fetch(16 * abi::MATCH_RECORD as usize, |b| unsafe {
            sys::scan(self.0, source as u32, i, b.as_mut_ptr(), b.len())
        })?;
        let word = |r: &[u8], i: usize| u32::from_le_bytes([r[4 * i], r[4 * i + 1], r[4 * i + 2], r[4 * i + 3]]);
        let parse = |r: &[u8]| Match {
            rule: word(r, 0),
            start: word(r, 1) as usize,
            end: word(r, 2) as usize,
            flags: word(r, 3),
        };
        Ok(records.chunks_exact(abi::MATCH_RECORD as usize).map(parse).collect())
    }
}
