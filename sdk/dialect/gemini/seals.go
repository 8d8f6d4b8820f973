package gemini

import (
	"slices"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

// ofMedium is the id of state that a medium is sealed with: Google wants it back at the medium, where the state of words
// may stand behind them.
const ofMedium = "media"

// unsealed puts the state that words and media of an answer are sealed with behind them, as thoughts without words: a
// dialect that has a place for state has it there.
func unsealed(parts []conversation.Part) []conversation.Part {
	var out []conversation.Part
	for _, p := range parts {
		sealed := p.Opaque
		if p.Kind != conversation.Text && p.Kind != conversation.Media || sealed.Value == "" {
			out = append(out, p)
			continue
		}
		if p.Kind == conversation.Media {
			sealed.ID = ofMedium
		}
		p.Opaque = conversation.Opaque{}
		out = append(out, p, conversation.Part{Kind: conversation.Thinking, Redacted: true, Opaque: sealed})
	}
	return out
}

// gathered joins the thoughts of a turn that follow each other, which a client keeps in the pieces that a stream had: the
// state of another vendor's that comes last is of all their words. Google's is of the piece that it stands in.
func gathered(parts []conversation.Part) (out []conversation.Part) {
	for i := 0; i < len(parts); {
		end := i + 1
		for end < len(parts) && goesOn(&parts[end-1], &parts[end]) {
			end++
		}
		p := parts[i]
		if end > i+1 {
			p.Text, p.Opaque = conversation.Words(parts[i:end]), parts[end-1].Opaque
		}
		out = append(out, p)
		i = end
	}
	return out
}

// goesOn reports whether a part is the next piece of the thoughts of another.
func goesOn(before, p *conversation.Part) bool {
	return before.Kind == conversation.Thinking && before.Text != "" && before.Opaque.Value == "" &&
		p.Kind == conversation.Thinking && p.Opaque.Vendor != conversation.VendorGoogle
}

// resealed gives media the state back that stands behind them, and returns beside the parts the state of media that are
// not there.
func resealed(parts []conversation.Part) (out, lone []conversation.Part) {
	isSeal := func(p *conversation.Part) bool {
		return p.Kind == conversation.Thinking && p.Opaque.Vendor == conversation.VendorGoogle && p.Opaque.ID == ofMedium
	}
	if !slices.ContainsFunc(parts, func(p conversation.Part) bool { return isSeal(&p) }) {
		return parts, nil
	}
	for i := range parts {
		p := &parts[i]
		switch n := len(out); {
		case !isSeal(p):
			out = append(out, *p)
		case n > 0 && out[n-1].Kind == conversation.Media && out[n-1].Opaque.Value == "":
			out[n-1].Opaque = conversation.Opaque{Vendor: conversation.VendorGoogle, Value: p.Opaque.Value}
		default:
			lone = append(lone, *p)
		}
	}
	return out, lone
}
