package provider

import (
	"bytes"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Relay is a lease: how the host reaches the provider without the plugin. It is not changed once it
// was handed over.
type Relay struct {
	Ops       []Template
	Header    llm.Header // credentials and the like: secret, and sent to the provider's origin only
	Expires   time.Time  // zero = never
	RefreshOn []Match    // the answers that mean that the lease is stale
	// Origin is the one of Info.Origins that the lease is for; empty = the first. It is the same in every
	// lease of one configuration. The base_url of a provider block takes its place.
	Origin string
	// Version changes exactly when the content of a provider's lease changes. The host numbers the
	// leases; a plugin leaves it 0.
	Version uint64
}

// Template is how one operation is reached, in one dialect.
type Template struct {
	Op      llm.Op
	Dialect llm.Dialect
	Method  string
	// Path stands behind the base URL and may have a query; {model} in it stands for the model's
	// name, percent-encoded. StreamPath is Path for a call that streams; empty = Path.
	Path, StreamPath string
	// MaxTokensField is what the server calls the limit of tokens, where it speaks OpenAI's dialect and
	// does not know "max_completion_tokens". A request that is translated is written so.
	MaxTokensField string
	// ReasoningField is where in an assistant's message a server of OpenAI's dialect takes the model's thoughts back:
	// one of conversation's Reasoning constants. Empty = it takes none, and a request that is translated has none.
	ReasoningField string
	// ReasoningAlways says that the server refuses a message with tool calls without that field: it is empty where
	// nothing is known of thoughts.
	ReasoningAlways bool
	// InsteadOfModel is the member, as JSON, that stands in the body where others name the model:
	// `"anthropic_version":"vertex-2023-10-16"`. Empty = the body names the model as the dialect does.
	InsteadOfModel string
	// Members are further members, as JSON, that stand in the body of a request that is translated:
	// `"keep_alive":"10m"`. The dialect's codec writes none of that name. Empty = none.
	Members string
	// Within is the member of the body in which a request that is translated stands, where the dialect has such
	// forms: "generateContentRequest", for a count of tokens of Gemini's. Empty = the request is the body.
	Within string
}

// Match describes an answer.
type Match struct {
	Status   int
	Contains string // of the body; empty = any body
}

// modelMark is what stands for the model's name in a path, streamMark begins the query of a call to an
// Invoker that streams.
const (
	modelMark  = "{model}"
	streamMark = "stream=1"
)

// Find returns the template of an operation in a dialect, or nil.
func (r *Relay) Find(op llm.Op, d llm.Dialect) *Template {
	for i := range r.Ops {
		if r.Ops[i].Op == op && r.Ops[i].Dialect == d {
			return &r.Ops[i]
		}
	}
	return nil
}

// Stale reports whether an answer means that the lease should be refreshed.
func (r *Relay) Stale(status int, body []byte) bool {
	for _, m := range r.RefreshOn {
		if m.Status == status && (m.Contains == "" || bytes.Contains(body, []byte(m.Contains))) {
			return true
		}
	}
	return false
}

// Same reports whether two leases have the same content; when they expire is not part of it.
func (r *Relay) Same(o *Relay) bool {
	if r.Origin != o.Origin || len(r.Ops) != len(o.Ops) || len(r.Header) != len(o.Header) || len(r.RefreshOn) != len(o.RefreshOn) {
		return false
	}
	for i := range r.Ops {
		if r.Ops[i] != o.Ops[i] {
			return false
		}
	}
	for i := range r.Header {
		if r.Header[i] != o.Header[i] {
			return false
		}
	}
	for i := range r.RefreshOn {
		if r.RefreshOn[i] != o.RefreshOn[i] {
			return false
		}
	}
	return true
}

// AppendPath appends the path for a model.
func (t *Template) AppendPath(dst []byte, model string, stream bool) []byte {
	path := t.Path
	if stream && t.StreamPath != "" {
		path = t.StreamPath
	}
	for {
		before, after, found := strings.Cut(path, modelMark)
		dst = append(dst, before...)
		if !found {
			return dst
		}
		dst = appendEscaped(dst, model)
		path = after
	}
}

// appendEscaped appends s with everything but RFC 3986's unreserved characters percent-encoded.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~", c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// InvokePaths returns the lease of a plugin that is invoked: what Serve answers on the plugin's unix
// socket. The path is /<dialect>/<op>/<model>, with ?stream=1 for a stream, and with what the client's
// query asks for behind it.
func InvokePaths(info *Info) *Relay {
	r := &Relay{}
	for _, d := range info.Dialects {
		for _, op := range info.Ops {
			t := Template{Op: op, Dialect: d, Method: "POST", Path: "/" + string(d) + "/" + string(op) + "/" + modelMark}
			t.StreamPath = t.Path + "?" + streamMark
			r.Ops = append(r.Ops, t)
		}
	}
	return r
}
