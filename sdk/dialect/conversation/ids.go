package conversation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// Some dialects have a place for a vendor's sealed state and some have none, and it must survive the
// way to a client of any dialect and back. Three ways, the first that the client's dialect has:
//
//  1. the dialect's own place for its own vendor's state (thinking.signature, encrypted_content,
//     thoughtSignature), unmarked;
//  2. the same place, with another vendor's state: sealMark, the vendor, the item's id and the value, in
//     base64, which the vendors' own states are too: an SDK may refuse anything else, or give it back in
//     the other alphabet;
//  3. a tool call's id, where the state belongs to a call: every client gives an id back as it was. The
//     id ends with idMark and the state in base64url.
const (
	sealMark = "ginnel/1:" // as many bytes as fill four digits of base64 each time, so that they always read the same
	idMark   = "__sealed_"
)

var sealed = base64.StdEncoding.EncodeToString([]byte(sealMark))

// Seal returns the value of o as it stands in the place of vendor's own state.
func (o Opaque) Seal(vendor string) string {
	if o.Vendor == vendor || o.Value == "" {
		return o.Value
	}
	return base64.StdEncoding.EncodeToString([]byte(sealMark + o.Vendor + "\x00" + o.ID + "\x00" + o.Value))
}

// Unseal reads a value that stood in the place of vendor's own state.
func Unseal(value, vendor string) Opaque {
	if value == "" {
		return Opaque{}
	}
	if strings.HasPrefix(value, sealed) {
		text, err := base64.StdEncoding.DecodeString(dialect.Base64(value))
		if parts := strings.SplitN(string(text[min(len(sealMark), len(text)):]), "\x00", 3); err == nil && len(parts) == 3 && parts[2] != "" {
			return Opaque{Vendor: parts[0], ID: parts[1], Value: parts[2]}
		}
	}
	return Opaque{Vendor: vendor, Value: value}
}

// PackID returns a call's id with the sealed state of the call in it.
func PackID(id string, o Opaque) string {
	if o.Value == "" {
		return id
	}
	return id + idMark + o.Vendor + "_" + base64.RawURLEncoding.EncodeToString([]byte(o.Value))
}

// UnpackID takes an id apart that PackID may have made.
func UnpackID(packed string) (id string, o Opaque) {
	id, rest, ok := strings.Cut(packed, idMark)
	if !ok {
		return packed, Opaque{}
	}
	vendor, text, ok := strings.Cut(rest, "_")
	value, err := base64.RawURLEncoding.DecodeString(text)
	if !ok || err != nil {
		return packed, Opaque{}
	}
	return id, Opaque{Vendor: vendor, Value: string(value)}
}

// CallID returns an id for a call that has none: the same for the same place in the answer or request of that name,
// so that a conversation that is sent again has the ids it had, and two of its answers have different ones.
func CallID(of string, turn, part int, name string) string {
	sum := sha256.Sum256([]byte(of + "\x00" + strconv.Itoa(turn) + "\x00" + strconv.Itoa(part) + "\x00" + name))
	return "call_" + hex.EncodeToString(sum[:12]) // OpenAI takes 40 characters, Anthropic letters, digits, _ and -
}

// The ids that PlainID gives as they are, and how much of a longer one it keeps before the mark of the whole.
const (
	longestID = 64
	idHead    = 40
)

// PlainID returns a call's id in the characters and the length that every vendor takes who says what it takes, letters,
// digits, _ and - (Anthropic's is ^[a-zA-Z0-9_-]+$, Converse's also at most 64 of them): the same for the same id, and
// another for another.
func PlainID(id string) string {
	plain := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}
	clean := strings.Map(plain, id)
	if clean == id && len(id) <= longestID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return clean[:min(len(clean), idHead)] + "_" + hex.EncodeToString(sum[:8])
}

// Complete gives every call an id and every result the name of its tool: what one dialect leaves out,
// another demands. A result that answers no call keeps what it has, but for the only one behind a turn of which one call is
// left without a result: that is its tool, whatever ids a client made up.
func (r *Request) Complete() {
	names := map[string]string{}
	var open []*Call // calls without an id of the client's, for results without one
	for t := range r.Turns {
		for p := range r.Turns[t].Parts {
			part := &r.Turns[t].Parts[p]
			switch part.Kind {
			case ToolCall:
				if part.Call.ID == "" {
					part.Call.ID = CallID("", t, p, part.Call.Name)
					open = append(open, part.Call)
				}
				names[part.Call.ID] = part.Call.Name
			case ToolResult:
				res := part.Result
				if res.ID == "" {
					res.ID = answered(&open, res.Name)
				}
				if res.Name == "" {
					res.Name = names[res.ID]
				}
			}
		}
		if t > 0 {
			pair(r.Turns[t-1].Parts, r.Turns[t].Parts)
		}
	}
}

// pair names the tool of the only result that has no name, where one call of the turn before has no result.
func pair(calls, results []Part) {
	var nameless *Result
	answered := map[string]bool{}
	for i := range results {
		switch r := results[i].Result; {
		case r == nil:
		case r.Name != "":
			answered[r.ID] = true
		case nameless != nil:
			return
		default:
			nameless = r
		}
	}
	if nameless == nil {
		return
	}
	left := slices.DeleteFunc(slices.Clone(calls), func(p Part) bool { return p.Call == nil || answered[p.Call.ID] })
	if len(left) == 1 {
		nameless.Name = left[0].Call.Name
	}
}

// answered returns the id of the first open call of the tool and takes it off the list.
func answered(open *[]*Call, name string) string {
	for i, c := range *open {
		if c.Name == name {
			*open = append((*open)[:i], (*open)[i+1:]...)
			return c.ID
		}
	}
	return ""
}

// Alternating returns the turns for a dialect in which roles take turns. Instructions in the middle become the user's
// words; names of participants and thoughts of other vendors' models are left out, and turns of which nothing is left.
func (r *Request) Alternating(dialect, vendor string, lost *Lost) []Turn {
	kept := Request{Turns: make([]Turn, 0, len(r.Turns))}
	for i, t := range r.Turns {
		at := t.Where(i) + "."
		if t.Role == System {
			t.Role = User
			lost.Drop(at+"role", "instructions inside the conversation become the user's words")
		}
		if t.Name != "" {
			t.Name = ""
			lost.Drop(at+"name", dialect+" has no names of participants")
		}
		foreign := func(p Part) bool { return p.Kind == Thinking && p.Opaque.Vendor != vendor }
		if slices.ContainsFunc(t.Parts, foreign) {
			for _, p := range t.Parts {
				if foreign(p) {
					lost.Drop(p.Where(at+"content"), "thoughts of another vendor's model cannot be given back to this one")
				}
			}
			t.Parts = slices.DeleteFunc(slices.Clone(t.Parts), foreign)
		}
		kept.Turns = append(kept.Turns, t)
	}
	kept.Join()
	return kept.Turns
}

// Join merges turns of the same role that follow each other, and leaves out those without parts.
func (r *Request) Join() {
	out := r.Turns[:0]
	for _, t := range r.Turns {
		if len(t.Parts) == 0 {
			continue
		}
		if n := len(out); n > 0 && out[n-1].Role == t.Role && out[n-1].Name == t.Name {
			out[n-1].Parts = append(out[n-1].Parts, t.Parts...)
			continue
		}
		out = append(out, t)
	}
	r.Turns = out
}
