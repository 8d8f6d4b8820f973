package openai

import (
	"slices"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

// The dialect has no place for the model's thoughts in a request. Servers that speak it have some, each its own, and some
// refuse what they do not know: which one it is the encoder is told (conversation.Limits). Sources: the vendors'
// documentation, DeepSeek "Thinking Mode", OpenRouter "Reasoning Tokens", Mistral "Reasoning".

// unwanted returns why a thought is not given back, or "".
func (e *encoder) unwanted(p *conversation.Part) string {
	switch e.limits.ReasoningField {
	case conversation.ReasoningContent, conversation.ReasoningWords, conversation.ReasoningParts:
		if p.Opaque.Value == "" {
			return ""
		}
	case conversation.ReasoningDetails:
		if p.Opaque.Value == "" || e.made(p.Opaque.Vendor) {
			return ""
		}
	case conversation.ReasoningExtra:
		if p.Text == "" && e.sealedByGoogle(p) {
			return ""
		}
		if p.Opaque.Value == "" {
			return "this provider takes back what seals thoughts, and not their words"
		}
	default:
		return "this provider is not known to take thoughts back"
	}
	return "thoughts of another vendor's model are not given back to this one"
}

// made reports whether the vendor of a sealed state may be the maker of the model, whose name begins with the maker's
// where a server has the models of many: "anthropic/claude-sonnet-4.5". Its own routers go to any.
func (e *encoder) made(vendor string) bool {
	maker, _, named := strings.Cut(strings.TrimPrefix(e.q.Model, "models/"), "/") // as Google calls its own
	return !named || maker == vendor || maker == "openrouter" || formats[vendor] == ""
}

// thoughts writes what the model thought before it said the rest of a message, in the member that the server has for it.
func (e *encoder) thoughts(at string, all, calls []conversation.Part) {
	field := e.limits.ReasoningField
	if field == conversation.ReasoningExtra {
		for i := range all {
			if i < len(all)-1 {
				e.lost.Drop(all[i].Where(at+".reasoning"), "a message has one state")
			} else {
				writeSignature(&e.Writer, all[i].Opaque.Value)
			}
		}
		return
	}
	if field == conversation.ReasoningDetails {
		if all = e.details(all, calls); slices.ContainsFunc(all, sealed) {
			e.Key(field)
			writeDetails(&e.Writer, all)
			return
		}
		field = conversation.ReasoningWords
	}
	named := field == conversation.ReasoningContent || field == conversation.ReasoningWords // and no list of parts
	words := conversation.Words(all)
	if words != "" || named && e.limits.ReasoningAlways && len(calls) > 0 {
		e.Key(field)
		e.String(words)
	}
}

// sealedByGoogle reports whether a part has state that Google's own surface takes back at a message or at a call.
func (e *encoder) sealedByGoogle(p *conversation.Part) bool {
	return e.limits.ReasoningField == conversation.ReasoningExtra && p.Opaque.Vendor == conversation.VendorGoogle && e.made(p.Opaque.Vendor)
}

func sealed(p conversation.Part) bool { return p.Opaque.Value != "" }

// details returns thoughts as OpenRouter has them: words and state are entries of their own, but for Anthropic's, whose
// state is the signature of the words. Both name their format. Google seals a call, and the state names it.
func (e *encoder) details(all, calls []conversation.Part) (out []conversation.Part) {
	for i := 0; i < len(all); i++ {
		p := all[i]
		if !sealed(p) && i+1 < len(all) && sealed(all[i+1]) && all[i+1].Text == "" {
			p.Opaque = all[i+1].Opaque // of the words before it, which a client's dialect may have a part of their own for
			i++
		}
		if p.Opaque.Vendor == conversation.VendorGoogle && p.Opaque.ID == "" && len(calls) > 0 && !sealed(calls[0]) {
			p.Opaque.ID = calls[0].Call.ID
		}
		if p.Text != "" && sealed(p) && p.Opaque.Vendor != conversation.VendorAnthropic {
			words := p
			if words.Opaque.Value = ""; words.Opaque.Vendor == conversation.VendorGoogle {
				words.Opaque.ID = ""
			}
			out = append(out, words)
			p.Text, p.Redacted = "", true
		}
		out = append(out, p)
	}
	for i := range calls {
		if o := calls[i].Opaque; o.Value != "" && o.Vendor == conversation.VendorGoogle && e.made(o.Vendor) {
			o.ID = calls[i].Call.ID
			out = append(out, conversation.Part{Kind: conversation.Thinking, Redacted: true, Opaque: o})
		}
	}
	return out
}

// thinking writes a thought as a part of the content, as Mistral has it.
func (e *encoder) thinking(p *conversation.Part) {
	e.Object()
	e.Text("type", "thinking")
	e.Key("thinking")
	e.Array()
	e.Object()
	e.Text("type", "text")
	e.Key("text")
	e.String(p.Text)
	e.EndObject()
	e.EndArray()
	e.EndObject()
}
