//! A filter for the host's tests, written with the public SDK of proxy-wasm for Rust: it asks the
//! cluster "judge" about every request, counts, and takes the word of its configuration out of answers.

use proxy_wasm::traits::*;
use proxy_wasm::types::*;
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { word: String::new() }));
}}

struct Root {
    word: String,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        match self.get_plugin_configuration().and_then(|b| String::from_utf8(b).ok()) {
            Some(word) if !word.is_empty() => {
                self.word = word;
                true
            }
            _ => {
                log("a word is needed");
                false
            }
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Exchange { word: self.word.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Exchange {
    word: String,
}

fn log(line: &str) {
    let _ = proxy_wasm::hostcalls::log(LogLevel::Error, line);
}

impl Context for Exchange {
    fn on_http_call_response(&mut self, _: u32, fields: usize, size: usize, _: usize) {
        if fields == 0 {
            self.send_http_response(503, vec![], Some(b"nobody answers"));
            return;
        }
        let status = self.get_http_call_response_header(":status").unwrap_or_default();
        let body = self.get_http_call_response_body(0, size).unwrap_or_default();
        if status != "200" {
            self.send_http_response(403, vec![("x-why", "judged")], Some(&body));
            return;
        }
        self.set_http_request_header("x-judge", Some(&String::from_utf8_lossy(&body)));
        self.resume_http_request();
    }
}

impl HttpContext for Exchange {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let (count, cas) = self.get_shared_data("count");
        let n = count.map_or(0, |b| b[0]) + 1;
        if self.set_shared_data("count", Some(&[n]), cas).is_err() {
            log("somebody else counted");
        }
        self.add_http_request_header("x-count", &n.to_string());
        self.set_http_request_header("content-length", None);
        let path = self.get_http_request_header(":path").unwrap_or_default();
        let call = self.dispatch_http_call(
            "judge",
            vec![(":method", "GET"), (":path", &path), (":authority", "judge")],
            None,
            vec![],
            Duration::from_secs(20),
        );
        match call {
            Ok(_) => Action::Pause,
            Err(_) => Action::Continue,
        }
    }

    fn on_http_response_headers(&mut self, _: usize, _: bool) -> Action {
        self.set_http_response_header("x-filtered", Some("1"));
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, end: bool) -> Action {
        if !end {
            return Action::Pause; // until all is here
        }
        if let Some(body) = self.get_http_response_body(0, size) {
            let text = String::from_utf8_lossy(&body).replace(&self.word, "****");
            self.set_http_response_body(0, size, text.as_bytes());
        }
        Action::Continue
    }
}
