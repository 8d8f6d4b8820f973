package gemini

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// DecodeAnswer reads a GenerateContentResponse.
func (c Codec) DecodeAnswer(body []byte) (*conversation.Answer, error) {
	var found dialect.Answer
	if err := c.Answer(llm.OpChat, body, &found); err != nil {
		return nil, err
	}
	a := &conversation.Answer{Usage: found.Usage}
	s, err := readChunk(body)
	if err != nil {
		return nil, err
	}
	a.ID, a.Model = s.id, s.model
	for _, c := range s.candidates {
		for len(a.Choices) <= c.index {
			a.Choices = append(a.Choices, conversation.Choice{})
		}
		choice := &a.Choices[c.index]
		choice.Parts = merged(c.parts)
		choice.Finish = finishFrom(c.finish, hasCalls(choice.Parts))
		for i := range choice.Parts {
			if call := choice.Parts[i].Call; call != nil && call.ID == "" {
				call.ID = conversation.CallID(s.id, c.index, i, call.Name)
			}
		}
		cite(choice.Parts, c.citations)
	}
	if s.blocked != "" && len(a.Choices) == 0 {
		a.Choices = []conversation.Choice{{Finish: conversation.FinishFilter}}
	}
	return a, nil
}

// chunk is what a GenerateContentResponse says, whole or of a stream.
type chunk struct {
	id, model, blocked string
	candidates         []candidate
}

type candidate struct {
	index     int
	parts     []conversation.Part
	finish    string
	citations []conversation.Citation
}

func readChunk(body []byte) (s chunk, err error) {
	d := decoder{conversation.NewReader(body), &conversation.Request{}}
	d.each("the answer", func(k string) {
		switch k {
		case "responseId":
			s.id = d.Str(k)
		case "modelVersion":
			s.model = d.Str(k)
		case "candidates":
			d.Items(k, func(i int) { s.candidates = append(s.candidates, d.candidate(i)) })
		case "promptFeedback":
			d.each(k, func(k string) {
				if k == "blockReason" {
					s.blocked = d.Str(k)
				} else {
					d.Skip()
				}
			})
		default:
			d.Skip()
		}
	})
	return s, d.End()
}

func (d decoder) candidate(place int) candidate {
	c := candidate{index: place}
	d.each("candidates", func(k string) {
		switch k {
		case "index":
			c.index = d.Choice(k)
		case "content":
			c.parts = d.contentParts(k)
		case "finishReason":
			c.finish = d.finishReason(k)
		case "groundingMetadata":
			c.citations = d.grounding()
		default:
			d.Skip()
		}
	})
	return c
}

// finishReason reads a reason, which an older surface writes as its number.
func (d decoder) finishReason(key string) string {
	if d.Type() != dialect.TypeNumber {
		return d.Str(key)
	}
	if n := d.Count(key); n >= 0 && n < int64(len(finishReasons)) {
		return finishReasons[n]
	}
	return "OTHER"
}

// grounding reads where an answer comes from: pieces of the text, each with the pages that bear it.
func (d decoder) grounding() (all []conversation.Citation) {
	type segment struct {
		start, end int
		text       string
		pages      []int
	}
	var pages []conversation.Citation
	var segments []segment
	d.each("groundingMetadata", func(k string) {
		switch k {
		case "groundingChunks":
			d.Items(k, func(int) {
				c := conversation.Citation{Vendor: conversation.VendorGoogle}
				d.each(k, func(k string) {
					if k != "web" {
						d.Skip()
						return
					}
					d.each(k, func(k string) {
						switch k {
						case "uri":
							c.URL = d.Str(k)
						case "title":
							c.Title = d.Str(k)
						default:
							d.Skip()
						}
					})
				})
				pages = append(pages, c)
			})
		case "groundingSupports":
			d.Items(k, func(int) {
				var s segment
				d.each(k, func(k string) {
					switch k {
					case "segment":
						d.each(k, func(k string) {
							switch k {
							case "startIndex":
								s.start = int(d.Count(k))
							case "endIndex":
								s.end = int(d.Count(k))
							case "text":
								s.text = d.Str(k)
							default:
								d.Skip()
							}
						})
					case "groundingChunkIndices":
						d.Items(k, func(int) { s.pages = append(s.pages, int(d.Count(k))) })
					default:
						d.Skip()
					}
				})
				segments = append(segments, s)
			})
		default:
			d.Skip()
		}
	})
	for _, s := range segments {
		for _, n := range s.pages {
			if n >= 0 && n < len(pages) && pages[n].URL != "" {
				c := pages[n]
				c.Start, c.End, c.Quote = s.start, s.end, s.text
				all = append(all, c)
			}
		}
	}
	return all
}

// cite puts citations to the last text, which is what they are of.
func cite(parts []conversation.Part, citations []conversation.Citation) {
	for i := len(parts) - 1; i >= 0 && len(citations) > 0; i-- {
		if parts[i].Kind == conversation.Text {
			parts[i].Citations = citations
			return
		}
	}
}

// merged joins words that follow each other, as a stream's pieces are one text.
func merged(parts []conversation.Part) []conversation.Part {
	var out []conversation.Part
	for _, p := range parts {
		n := len(out) - 1
		if n >= 0 && out[n].Kind == p.Kind && (p.Kind == conversation.Text || p.Kind == conversation.Thinking) && out[n].Opaque.Value == "" {
			out[n].Text += p.Text
			out[n].Opaque = p.Opaque
			out[n].Redacted = out[n].Redacted && p.Redacted
			continue
		}
		out = append(out, p)
	}
	return out
}

func hasCalls(parts []conversation.Part) bool {
	for i := range parts {
		if parts[i].Kind == conversation.ToolCall {
			return true
		}
	}
	return false
}

// finishFrom and finishTo translate finish reasons. Tool calls end with STOP.
func finishFrom(s string, calls bool) conversation.Finish {
	switch s {
	case "", "FINISH_REASON_UNSPECIFIED":
		return ""
	case "STOP":
		if calls {
			return conversation.FinishTools
		}
		return conversation.FinishStop
	case "MAX_TOKENS":
		return conversation.FinishLength
	case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR":
		return conversation.FinishFilter
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS":
		return conversation.FinishError
	}
	return conversation.Finish("other:" + s)
}

func finishTo(f conversation.Finish) string {
	switch f {
	case conversation.FinishStop, conversation.FinishSequence, conversation.FinishTools:
		return "STOP"
	case conversation.FinishLength, conversation.FinishContext, conversation.FinishPause:
		return "MAX_TOKENS"
	case conversation.FinishError:
		return "MALFORMED_FUNCTION_CALL"
	}
	return "SAFETY" // something other than the model ended it
}

// EncodeAnswer writes a GenerateContentResponse.
func (Codec) EncodeAnswer(a *conversation.Answer) []byte {
	w := &dialect.Writer{}
	w.Object()
	w.Key("candidates")
	w.Array()
	for i := range a.Choices {
		c := &a.Choices[i]
		var parts [][]byte
		for p := range c.Parts {
			if b := partJSON(&c.Parts[p]); b != nil {
				parts = append(parts, b)
			}
		}
		writeCandidate(w, i, parts, finishTo(c.Finish))
	}
	w.EndArray()
	writeTail(w, a.Usage, a.Model, a.ID)
	w.EndObject()
	return w.Buf
}

// partJSON returns a part as a client of the dialect reads it, or nil where it has no form.
func partJSON(p *conversation.Part) []byte {
	w := &dialect.Writer{}
	switch p.Kind {
	case conversation.Media:
		w.Object()
		if p.Media.Data != "" {
			w.Key("inlineData")
			w.Object()
			w.Text("mimeType", p.Media.Type)
			w.Text("data", p.Media.Data)
			w.EndObject()
		} else {
			w.Key("fileData")
			w.Object()
			w.Text("fileUri", p.Media.URL)
			w.EndObject()
		}
		w.EndObject()
	case conversation.Native:
		if p.Native.Dialect != llm.Gemini {
			return nil
		}
		return p.Native.Raw
	default:
		writePart(w, p, true)
	}
	return w.Buf
}

func writeCandidate(w *dialect.Writer, index int, parts [][]byte, finish string) {
	w.Object()
	w.Key("content")
	w.Object()
	w.Key("parts")
	w.Array()
	for _, p := range parts {
		w.Raw(p)
	}
	w.EndArray()
	w.Text("role", "model")
	w.EndObject()
	w.Text("finishReason", finish)
	w.Key("index")
	w.Int(int64(index))
	w.EndObject()
}

func writeTail(w *dialect.Writer, u *llm.Usage, model, id string) {
	if u != nil {
		w.Key("usageMetadata")
		w.Object()
		w.Key("promptTokenCount")
		w.Int(u.InputTotal)
		w.Key("candidatesTokenCount")
		w.Int(max(u.OutputTotal-u.Reasoning, 0))
		w.Count("thoughtsTokenCount", u.Reasoning)
		w.Count("cachedContentTokenCount", u.CacheRead)
		w.Key("totalTokenCount")
		w.Int(u.InputTotal + u.OutputTotal)
		w.EndObject()
	}
	w.Text("modelVersion", strings.TrimPrefix(model, modelPrefix))
	w.Text("responseId", id)
}
