package dialect

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Fault collects what an upstream says about its error, in whichever shape. The zero value has
// collected nothing. The reading methods take a Reader at the value that their comment names.
type Fault struct {
	reported bool
	empty    bool // an error was read that says nothing
	text     string
	kind     string
	label    string // a code that is a word
	param    string // the member of the request that it is about
	status   int
	flagged  bool // it is about what the request says
	texts    []Text
}

// Texts returns the words of the error, and of what would be one elsewhere.
func (f *Fault) Texts() []Text { return f.texts }

// MergeTexts appends the words of an error to the texts beside them, in the order of the bytes.
func MergeTexts(texts, faults []Text) []Text {
	if len(faults) == 0 {
		return texts
	}
	texts = append(texts, faults...)
	slices.SortFunc(texts, func(a, b Text) int { return a.Span.Start - b.Span.Start })
	return texts
}

// faultText is what the words of an error are: whole, and perhaps the model's once more, as the vendors
// quote in them what they could not parse.
var faultText = Text{Channel: Channel{Repeat: true}, Whole: true}

// PeekFault appends the words of the error at hand, which is still to be read: all its strings but those
// that are codes.
func (r *Reader) PeekFault(texts []Text) []Text {
	ahead := *r
	return ahead.faultTexts(texts)
}

func (r *Reader) faultTexts(texts []Text) []Text {
	switch r.Type() {
	case TypeObject:
		for o := r.Object(nil); ; {
			if _, ok := r.Next(&o); !ok {
				return texts
			}
			switch string(r.Bytes(o.Key)) {
			case "type", "code", "status", "status_code", "@type", "reason", "domain", "retryDelay", "retry_delay", "request_id", "requestId":
				if r.Type() == TypeString {
					r.Skip()
					continue
				}
			}
			texts = r.faultTexts(texts)
		}
	case TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			texts = r.faultTexts(texts)
		}
	case TypeString:
		texts, _ = r.AppendText(texts, faultText)
	default:
		r.Skip()
	}
	return texts
}

// Reported reports whether a value of "error" was read that is one.
func (f *Fault) Reported() bool { return f.reported }

// Said reports whether there is a message, or an error that says nothing: as some write it into each answer.
func (f *Fault) Said() bool { return f.text != "" || f.empty }

// Read reads the value of "error": an object, a string, or null, false or an empty string, which are none.
func (f *Fault) Read(r *Reader) {
	f.read(r, true)
	f.empty = f.empty && !f.reported
}

func (f *Fault) read(r *Reader, top bool) {
	switch r.Type() {
	case TypeNull, TypeFalse:
		r.Skip()
		return
	case TypeObject:
	case TypeString:
		begin := r.Pos()
		f.Message(r)
		f.reported = f.reported || r.Pos()-begin > len(`""`)
		return
	default:
		f.tell(r)
		f.Message(r)
		return
	}
	f.empty = true
	if top {
		f.texts = r.PeekFault(f.texts)
	}
	for o := r.Object(nil); ; {
		if _, ok := r.Next(&o); !ok {
			return
		}
		f.tell(r)
		switch string(r.Bytes(o.Key)) {
		case "message":
			f.message(r)
		case "type":
			f.kind = word(r)
		case "metadata": // of OpenRouter
			f.metadata(r)
		case "code", "status", "status_code":
			f.Code(r)
		case "param":
			f.param = word(r)
		case "error":
			if top {
				f.read(r, false)
			} else {
				r.Skip()
			}
		default:
			r.Skip()
		}
	}
}

// metadata reads what a vendor says about the error of one that it asked.
func (f *Fault) metadata(r *Reader) {
	if r.Type() != TypeObject {
		r.Skip()
		return
	}
	for o := r.Object(nil); ; {
		if _, ok := r.Next(&o); !ok {
			return
		}
		switch string(r.Bytes(o.Key)) {
		case "flagged_input":
			f.flagged = f.flagged || r.Type() == TypeString
			r.Skip()
		case "error_type":
			if s := word(r); f.kind == "" {
				f.kind = s
			}
		default:
			r.Skip()
		}
	}
}

// tell looks at the value at hand, which is still to be read: one that is not empty says that there is an error.
func (f *Fault) tell(r *Reader) {
	ahead := *r
	switch value := ahead.Skip(); string(ahead.Bytes(value)) {
	case "null", "false", "0", `""`, "[]", "{}":
		f.empty = true
	default:
		f.reported = true
	}
}

// Message reads the value of a "message" or its like; the first one counts.
func (f *Fault) Message(r *Reader) {
	f.texts = r.PeekFault(f.texts)
	f.message(r)
}

func (f *Fault) message(r *Reader) {
	if said := sentence(r); f.text == "" {
		f.text = said
	}
}

// sentence reads what is wrong: a text, or what validators of Python's frameworks write, a list of
// {"loc": [where], "msg": "what"}, perhaps as the "detail" of an object. Of a list the first one counts.
func sentence(r *Reader) (said string) {
	switch r.Type() {
	case TypeString:
		return word(r)
	case TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			if s := sentence(r); said == "" {
				said = s
			}
		}
	case TypeObject:
		where := ""
		for o := r.Object(nil); ; {
			if _, ok := r.Next(&o); !ok {
				break
			}
			switch string(r.Bytes(o.Key)) {
			case "detail", "msg", "message":
				said = sentence(r)
			case "loc":
				where = place(r)
			default:
				r.Skip()
			}
		}
		if said != "" && where != "" {
			said = where + ": " + said
		}
	default:
		r.Skip()
	}
	return said
}

// place reads where a validator found something: a list of names and numbers.
func place(r *Reader) (where string) {
	if r.Type() != TypeArray {
		r.Skip()
		return ""
	}
	r.Array()
	for n := 0; r.Item(&n); {
		raw := r.Bytes(r.Skip())
		if where != "" {
			where += "."
		}
		where += strings.Trim(string(raw), `"`)
	}
	return where
}

// Code reads a code, which is a word, a number or a number in quotes.
func (f *Fault) Code(r *Reader) {
	if r.Type() == TypeNumber {
		n, _ := r.Int()
		f.setStatus(n)
		return
	}
	text := word(r)
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		f.setStatus(n)
	} else if text != "" {
		f.label = text
	}
}

// Type notes the type of an error that says none itself: it stands beside the message.
func (f *Fault) Type(kind string) { f.kind = cmp.Or(f.kind, kind) }

func (f *Fault) setStatus(n int64) {
	if n >= 400 && n <= 599 {
		f.status = int(n)
	}
}

func word(r *Reader) string {
	if s, ok := r.String(); ok {
		return TextOf(r.Bytes(s), "")
	}
	r.Skip()
	return ""
}

// Error returns what was said as an error.
func (f *Fault) Error() *llm.Error {
	e := &llm.Error{Code: codeOf(f.label + " " + f.kind), Status: f.status, Message: f.text}
	switch {
	case f.flagged || says([]byte(f.text), filtered):
		e.Code = llm.CodeFiltered
	case says([]byte(f.text), unpaid):
		e.Code = llm.CodeQuota
	case f.status != 0 && e.Code != llm.CodeFiltered && e.Code != llm.CodeQuota && e.Code != llm.CodeTooLong:
		e.Code = CodeOfStatus(f.status)
	}
	if e.Quoted = e.Message != ""; !e.Quoted {
		e.Message = "the upstream reported an error"
	}
	return e
}

// filtered and unpaid are what vendors say who have no code for it, in lower case: xAI, whose code is that of a permission;
// Anthropic, whose type is that of an invalid request.
var (
	filtered = [][]byte{[]byte("content violates usage guidelines")}
	unpaid   = [][]byte{[]byte("credit balance is too low")}
)

// codeOf classifies an error by the words of its code and type.
func codeOf(words string) llm.Code {
	words = strings.ToLower(words)
	for _, c := range []struct {
		part string
		code llm.Code
	}{
		{"context_length", llm.CodeTooLong}, {"too_many_tokens", llm.CodeTooLong}, {"too_many_prompt_tokens", llm.CodeTooLong}, {"exceed_context", llm.CodeTooLong},
		{"content_filter", llm.CodeFiltered}, {"content_policy", llm.CodeFiltered}, {"moderation", llm.CodeFiltered}, {"data_inspection", llm.CodeFiltered}, {"refusal", llm.CodeFiltered},
		{"insufficient_quota", llm.CodeQuota}, {"exceeded_current_quota", llm.CodeQuota}, {"insufficient_balance", llm.CodeQuota}, {"billing", llm.CodeQuota},
		{"rate_limit", llm.CodeRateLimited}, {"quota", llm.CodeRateLimited}, {"too_many_requests", llm.CodeRateLimited}, {"throttl", llm.CodeRateLimited},
		{"overloaded", llm.CodeOverloaded}, {"capacity", llm.CodeOverloaded}, {"unavailable", llm.CodeOverloaded},
		{"authentication", llm.CodeAuth}, {"api_key", llm.CodeAuth}, {"unauthorized", llm.CodeAuth},
		{"permission", llm.CodePermission}, {"forbidden", llm.CodePermission}, {"unsupported_country", llm.CodePermission},
		{"not_found", llm.CodeNotFound}, {"notfound", llm.CodeNotFound}, {"invalid_model", llm.CodeNotFound},
		{"timeout", llm.CodeTimeout}, {"too_large", llm.CodeTooLarge}, {"server_error", llm.CodeUpstream},
		{"invalid", llm.CodeInvalid}, {"too_many", llm.CodeInvalid},
	} {
		if strings.Contains(words, c.part) {
			return c.code
		}
	}
	return llm.CodeUpstream
}

// CodeOfStatus classifies an error by the HTTP status that an upstream names in it.
func CodeOfStatus(status int) llm.Code {
	switch status {
	case 401:
		return llm.CodeAuth
	case 402:
		return llm.CodeQuota
	case 403:
		return llm.CodePermission
	case 404:
		return llm.CodeNotFound
	case 408, 504:
		return llm.CodeTimeout
	case 413:
		return llm.CodeTooLarge
	case 429:
		return llm.CodeRateLimited
	case 503, 529:
		return llm.CodeOverloaded
	}
	if status < 500 {
		return llm.CodeInvalid
	}
	return llm.CodeUpstream
}
