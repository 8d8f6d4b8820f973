use alloc::string::String;
use alloc::vec::Vec;

/// A JSON value, as it was written. It borrows the text and allocates only what is asked for. It is
/// for a filter's config, which the host has checked: a value that is not there, or is of another
/// kind, is the default that the caller names.
#[derive(Clone, Copy, Debug)]
pub struct Value<'a>(&'a [u8]);

impl<'a> Value<'a> {
    /// Takes a text that is one JSON value.
    pub fn new(text: &'a [u8]) -> Value<'a> {
        Value(trim(text))
    }

    /// Returns the text of the value; empty where there is none.
    pub fn raw(&self) -> &'a [u8] {
        self.0
    }

    /// Returns the member of an object, or an empty value.
    pub fn get(&self, key: &str) -> Value<'a> {
        let mut r = Reader { text: self.0, at: 0 };
        if r.take(b'{').is_none() {
            return Value(b"");
        }
        while let Some(name) = r.value() {
            if r.take(b':').is_none() {
                break;
            }
            match r.value() {
                Some(v) if Value(name).text().as_deref() == Some(key) => return Value(v),
                Some(_) => {}
                None => break,
            }
            if r.take(b',').is_none() {
                break;
            }
        }
        Value(b"")
    }

    /// Returns the elements of an array.
    pub fn items(&self) -> Vec<Value<'a>> {
        let mut r = Reader { text: self.0, at: 0 };
        let mut out = Vec::new();
        if r.take(b'[').is_none() {
            return out;
        }
        while let Some(v) = r.value() {
            out.push(Value(v));
            if r.take(b',').is_none() {
                break;
            }
        }
        out
    }

    /// Returns a string's content, or None.
    pub fn text(&self) -> Option<String> {
        if self.0.len() < 2 || self.0[0] != b'"' {
            return None;
        }
        unquote(&self.0[1..self.0.len() - 1])
    }

    /// Returns a string's content, or the default.
    pub fn string(&self, default: &str) -> String {
        self.text().unwrap_or_else(|| default.into())
    }

    /// Returns a number without a fraction, or the default.
    pub fn int(&self, default: i64) -> i64 {
        core::str::from_utf8(self.0).ok().and_then(|s| s.parse().ok()).unwrap_or(default)
    }

    /// Returns a number, or the default.
    pub fn float(&self, default: f64) -> f64 {
        core::str::from_utf8(self.0).ok().and_then(|s| s.parse().ok()).unwrap_or(default)
    }

    /// Returns a truth value, or the default.
    pub fn bool(&self, default: bool) -> bool {
        match self.0 {
            b"true" => true,
            b"false" => false,
            _ => default,
        }
    }
}

fn space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r')
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !space(*first) {
            break;
        }
        text = rest;
    }
    while let [rest @ .., last] = text {
        if !space(*last) {
            break;
        }
        text = rest;
    }
    text
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<u8> {
        while self.at < self.text.len() && space(self.text[self.at]) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn take(&mut self, c: u8) -> Option<()> {
        if self.peek()? != c {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// Steps over one value, however deep it is, and returns its text.
    fn value(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let start = self.at;
        let mut depth = 0usize;
        loop {
            match *self.text.get(self.at)? {
                b'"' => self.skip_string()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                _ if depth == 0 => {
                    while self.at < self.text.len() && !b" \t\r\n,:]}".contains(&self.text[self.at]) {
                        self.at += 1;
                    }
                    if self.at == start {
                        return None;
                    }
                }
                _ => self.at += 1,
            }
            if depth == 0 {
                return Some(&self.text[start..self.at]);
            }
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match *self.text.get(self.at)? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(())
    }
}

fn unquote(s: &[u8]) -> Option<String> {
    let mut out = Vec::with_capacity(s.len());
    let mut i = 0;
    while i < s.len() {
        if s[i] != b'\\' {
            out.push(s[i]);
            i += 1;
            continue;
        }
        let c = match *s.get(i + 1)? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let mut code = hex(s, i + 2)?;
                i += 4;
                if (0xd800..0xdc00).contains(&code) && s.get(i + 2) == Some(&b'\\') && s.get(i + 3) == Some(&b'u') {
                    let low = hex(s, i + 4)?;
                    if (0xdc00..0xe000).contains(&low) {
                        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
                        i += 6;
                    }
                }
                char::from_u32(code).unwrap_or('\u{fffd}')
            }
            c => c as char,
        };
        i += 2;
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    String::from_utf8(out).ok()
}

fn hex(s: &[u8], at: usize) -> Option<u32> {
    u32::from_str_radix(core::str::from_utf8(s.get(at..at + 4)?).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn reads_what_a_config_may_be() {
        let v = Value::new(br#" {"a": "x\n\u00e9\ud83d\ude00", "b": [1, "two", {"c": [true]}], "d":-7,"e":0.5 , "f":false, "a\u0062": "ab"} "#);
        assert_eq!(v.get("a").string(""), "x\n\u{e9}\u{1f600}");
        assert_eq!(v.get("ab").string(""), "ab");
        assert_eq!(v.get("b").items().len(), 3);
        assert_eq!(v.get("b").items()[1].string(""), "two");
        assert!(v.get("b").items()[2].get("c").items()[0].bool(false));
        assert_eq!(v.get("d").int(0), -7);
        assert_eq!(v.get("e").float(0.0), 0.5);
        assert!(!v.get("f").bool(true));
        assert_eq!(v.get("none").string("default"), "default");
        assert_eq!(v.get("d").string("default"), "default");
    }

    #[test]
    fn stops_at_what_is_no_json() {
        for text in ["", "{", "[", "{\"a\"", "{\"a\":", "\"", "[1,", "{\"a\" 1}", "]", "{\"a\":}", "\"\\u12\"", "\"\\"]
        {
            let v = Value::new(text.as_bytes());
            let _ = (v.get("a").string(""), v.items().len(), v.text(), v.int(0));
        }
    }
}
