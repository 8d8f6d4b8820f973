package gemini

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
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
	var left conversation.Left
	s, err := readChunk(body, &left)
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
		if conversation.Cite(choice.Parts, c.citations); len(c.citations) > 0 && !choice.Speaks() {
			left.Add(sourcesOf(c.index))
		}
		choice.Logprobs = c.logprobs
	}
	a.Other = left.Fields
	if s.blocked != "" && len(a.Choices) == 0 {
		a.Choices = []conversation.Choice{{Finish: conversation.FinishFilter}}
	}
	return a, nil
}

// sourcesOf is where the sources of a candidate stand.
func sourcesOf(index int) string { return "candidates[" + strconv.Itoa(index) + "].groundingMetadata" }

// chunk is what a GenerateContentResponse says, whole or of a stream.
type chunk struct {
	id, model, blocked string
	candidates         []candidate
}

type candidate struct {
	index     int
	parts     []conversation.Part
	finish    string
	citations []conversation.Citation // whose places count the bytes of all its texts
	logprobs  json.RawMessage         // in OpenAI's form
}

func readChunk(body []byte, left *conversation.Left) (s chunk, err error) {
	d := decoder{left.Reader(body), &conversation.Request{}}
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
					d.Leave()
				}
			})
		case "usageMetadata":
			d.usage()
		case "createTime", "sdkHttpResponse", "modelStatus":
			d.Skip()
		default:
			d.Leave()
		}
	})
	return s, d.End()
}

// usage lists what an account of usage has beside the numbers that the codec has read. Parts of a number are none.
func (d decoder) usage() {
	if d.Type() != dialect.TypeObject {
		d.Skip()
		return
	}
	d.each("usageMetadata", func(k string) {
		switch k {
		case "promptTokenCount", "cachedContentTokenCount", "candidatesTokenCount", "responseTokenCount", "thoughtsTokenCount", "toolUsePromptTokenCount", "totalTokenCount",
			"promptTokensDetails", "cacheTokensDetails", "candidatesTokensDetails", "responseTokensDetails", "thoughtsTokensDetails", "toolUsePromptTokensDetails",
			"trafficType", "serviceTier":
			d.Skip()
		default:
			d.Leave()
		}
	})
}

func (d decoder) candidate(place int) candidate {
	c := candidate{index: place}
	var cited []located
	d.each("candidates", func(k string) {
		switch k {
		case "index":
			c.index = d.Choice(k)
		case "content":
			c.parts = d.contentParts(k)
		case "finishReason":
			c.finish = d.finishReason(k)
		case "groundingMetadata":
			cited = append(cited, d.grounding()...)
		case "citationMetadata":
			cited = append(cited, d.sources()...)
		case "logprobsResult":
			c.logprobs = d.logprobs()
		case "tokenCount":
			d.Skip()
		default:
			d.Leave()
		}
	})
	for _, l := range cited[:min(len(cited), conversation.MaxCitations)] {
		before := 0
		for i := range c.parts[:min(max(l.part, 0), len(c.parts))] {
			if p := &c.parts[i]; p.Kind == conversation.Text {
				before += len(p.Text)
			}
		}
		l.Start, l.End = l.Start+before, l.End+before
		c.citations = append(c.citations, l.Citation)
	}
	c.parts = unsealed(c.parts)
	return c
}

// located is a citation whose places count the bytes of one part.
type located struct {
	conversation.Citation
	part int
}

// sources reads which works an answer repeats.
func (d decoder) sources() (all []located) {
	d.each("citationMetadata", func(k string) {
		if k != "citationSources" && k != "citations" {
			d.Leave()
			return
		}
		d.Items(k, func(int) {
			c := d.work(k)
			if c.URL == "" {
				d.Unsaid("")
				return
			}
			all = append(all, located{Citation: c})
		})
	})
	return all
}

// work reads which work is meant, and what of the answer is from it, where that stands beside.
func (d decoder) work(name string) conversation.Citation {
	c := conversation.Citation{Vendor: conversation.VendorGoogle}
	d.each(name, func(k string) {
		switch k {
		case "startIndex":
			c.Start = place(d.Count(k))
		case "endIndex":
			c.End = place(d.Count(k))
		case "uri":
			c.URL = d.Str(k)
		case "title":
			c.Title = d.Str(k)
		case "domain": // of the address
			d.Skip()
		default:
			d.Leave()
		}
	})
	return c
}

// place returns a place as it was counted, in bounds.
func place(n int64) int { return int(min(max(n, 0), 1<<30)) }

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
func (d decoder) grounding() (all []located) {
	type segment struct {
		part, start, end int
		text             string
		pages            []int
	}
	var pages []conversation.Citation
	var segments []segment
	d.each("groundingMetadata", func(k string) {
		switch k {
		case "groundingChunks":
			d.Items(k, func(int) {
				var c conversation.Citation
				d.each(k, func(k string) {
					if k == "web" {
						c = d.work(k)
					} else {
						d.Leave()
					}
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
							case "partIndex":
								s.part = place(d.Count(k))
							case "startIndex":
								s.start = place(d.Count(k))
							case "endIndex":
								s.end = place(d.Count(k))
							case "text":
								s.text = d.Str(k)
							default:
								d.Leave()
							}
						})
					case "groundingChunkIndices":
						d.Items(k, func(int) { s.pages = append(s.pages, int(d.Count(k))) })
					default:
						d.Leave()
					}
				})
				segments = append(segments, s)
			})
		default:
			d.Leave()
		}
	})
	borne := make([]bool, len(pages))
	for _, s := range segments {
		for _, n := range s.pages {
			if n >= 0 && n < len(pages) && pages[n].URL != "" {
				c := pages[n]
				c.Start, c.End, c.Quote = s.start, s.end, s.text
				all = append(all, located{c, s.part})
				borne[n] = true
			}
		}
	}
	for n := range pages {
		if pages[n].URL != "" && !borne[n] { // which is the source of no words
			d.Unsaid("groundingChunks[" + strconv.Itoa(n) + "]")
		}
	}
	return all
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
	case "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE":
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
	case conversation.FinishFilter, conversation.FinishRefusal:
		return "SAFETY"
	}
	return "OTHER"
}

// Places returns what an answer has a place for: several choices, probabilities, media of any kind.
func (Codec) Places() conversation.Places {
	return conversation.Places{Choices: true, Logprobs: conversation.TokenLogprobs, Media: true, Native: llm.Gemini}
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
		var cited []located
		sealed, _ := resealed(c.Parts)
		for p := range sealed {
			if b := partJSON(&sealed[p]); b != nil {
				for _, one := range conversation.Bounded(sealed[p].Citations) {
					cited = append(cited, quoted(one, sealed[p].Text, len(parts)))
				}
				parts = append(parts, b)
			}
		}
		writeCandidate(w, i, parts, finishTo(c.Finish), cited, c.Logprobs)
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
			w.Text("mimeType", p.Media.Type)
			w.Text("fileUri", cmp.Or(p.Media.URL, p.Media.FileID))
			w.EndObject()
		}
		w.Text("thoughtSignature", p.Opaque.Seal(conversation.VendorGoogle))
		w.EndObject()
	case conversation.Native:
		if p.Native.Dialect != llm.Gemini {
			return nil
		}
		return p.Native.Raw
	case conversation.ToolResult:
		return nil
	default:
		writePart(w, p, true)
	}
	return w.Buf
}

// maxQuote bounds the words of a place that are said again with it, in bytes.
const maxQuote = 4 << 10

// quoted returns a citation with its place in a part, and the words that stand there, unless they are many.
func quoted(c conversation.Citation, text string, part int) located {
	c.Start, c.End = c.Span(text)
	if c.Quote = ""; c.End-c.Start <= maxQuote {
		c.Quote = text[c.Start:c.End]
	}
	return located{c, part}
}

// writeGrounding writes where an answer comes from: the pages, and what each place of it has from which.
func writeGrounding(w *dialect.Writer, cited []located) {
	var pages []conversation.Citation
	number := func(c located) int {
		return slices.IndexFunc(pages, func(p conversation.Citation) bool { return p.URL == c.URL && p.Title == c.Title })
	}
	for _, c := range cited {
		if c.URL != "" && number(c) < 0 {
			pages = append(pages, conversation.Citation{URL: c.URL, Title: c.Title})
		}
	}
	if len(pages) == 0 {
		return
	}
	w.Key("groundingMetadata")
	w.Object()
	w.Key("groundingChunks")
	w.Array()
	for _, p := range pages {
		w.Object()
		w.Key("web")
		w.Object()
		w.Text("uri", p.URL)
		w.Text("title", p.Title)
		w.EndObject()
		w.EndObject()
	}
	w.EndArray()
	w.Key("groundingSupports")
	w.Array()
	for _, c := range cited {
		if c.URL == "" {
			continue
		}
		w.Object()
		w.Key("segment")
		w.Object()
		w.Count("partIndex", int64(c.part))
		w.Count("startIndex", int64(c.Start))
		w.Key("endIndex")
		w.Int(int64(c.End))
		w.Text("text", c.Quote)
		w.EndObject()
		w.Key("groundingChunkIndices")
		w.Array()
		w.Int(int64(number(c)))
		w.EndArray()
		w.EndObject()
	}
	w.EndArray()
	w.EndObject()
}

func writeCandidate(w *dialect.Writer, index int, parts [][]byte, finish string, cited []located, logprobs json.RawMessage) {
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
	writeGrounding(w, cited)
	writeLogprobs(w, conversation.Tokens(logprobs))
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
