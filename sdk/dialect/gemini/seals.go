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
