package conversation

import (
	"slices"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// Features returns what the request asks of a model besides words, each once. A medium whose type nobody
// says is none.
func (r *Request) Features() (out []llm.Feature) {
	note := func(f llm.Feature) {
		if f != "" && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	if len(r.Tools) > 0 {
		note(llm.FeatureTools)
	}
	if r.Format.Kind == FormatSchema {
		note(llm.FeatureSchema)
	}
	for _, t := range r.Turns {
		for i := range t.Parts {
			switch p := &t.Parts[i]; p.Kind {
			case Media:
				note(p.Media.feature())
			case ToolResult:
				for j := range p.Result.Parts {
					if m := p.Result.Parts[j].Media; m != nil {
						note(m.feature())
					}
				}
			}
		}
	}
	return out
}

// feature returns what a model must have to take the medium.
func (m *Medium) feature() llm.Feature {
	kind, _, _ := strings.Cut(m.Type, "/")
	switch {
	case kind == "image":
		return llm.FeatureImages
	case kind == "audio" || m.Format != "":
		return llm.FeatureAudio
	case kind == "video":
		return llm.FeatureVideo
	case m.Text: // words, whatever they are called
		return ""
	case m.Type != "" || m.Name != "" || m.FileID != "":
		return llm.FeatureFiles
	}
	return ""
}
