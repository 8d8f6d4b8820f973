//! An example of a filter in Rust: it tells the model to be brief, and says in the answer's header how many
//! texts the conversation had.

use ginnel_filter::{export, Action, Exchange, Filter, Kind, Role, Value};

struct Quiet {
    words: String,
}

export!(Quiet);

impl Filter for Quiet {
    fn configure(config: &[u8]) -> Result<Self, String> {
        Ok(Quiet {
            words: Value::new(config).get("words").string("Be brief."),
        })
    }

    fn request_text(&mut self, x: &Exchange) -> Action {
        let n = x.texts();
        if x.put_state(format!("{}", n).as_bytes()).is_err() {
            return Action::FAILED;
        }
        for i in 0..n {
            let t = x.text(i);
            if t.role() == Role::System && t.kind() == Kind::Text {
                let end = t.len();
                if t.splice(end, end, format!(" {}", self.words).as_bytes())
                    .is_err()
                {
                    return Action::FAILED;
                }
                break;
            }
        }
        Action::CONTINUE
    }

    fn response_head(&mut self, x: &Exchange) -> Action {
        let texts = x.state().unwrap_or_default();
        match x.set_response_header("x-texts", core::str::from_utf8(&texts).unwrap_or("")) {
            Ok(()) => Action::CONTINUE,
            Err(_) => Action::FAILED,
        }
    }
}
