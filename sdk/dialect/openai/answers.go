package openai

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// DecodeAnswer reads a chat completion.
func (c Codec) DecodeAnswer(body []byte) (*conversation.Answer, error) {
	var found dialect.Answer
	if err := c.Answer(llm.OpChat, body, &found); err != nil {
		return nil, err
	}
	a := &conversation.Answer{Usage: found.Usage}
	var left conversation.Left
	var sources []conversation.Citation
	d := decoder{left.Reader(body), &conversation.Request{}}
	d.Each("the answer", func(k string) {
		switch k {
		case "id":
			a.ID = d.Str(k)
		case "model":
			a.Model = d.Str(k)
		case "created":
			a.Created = d.Count(k)
		case "choices":
			d.Items(k, func(int) { a.Choices = append(a.Choices, d.choice()) })
		case "citations", "search_results":
			d.found(&sources)
		default:
			d.envelope(k)
		}
	})
	if err := d.End(); err != nil {
		return nil, err
	}
	for i := range a.Choices {
		conversation.Cite(a.Choices[i].Parts, sources)
		if len(sources) > 0 && !a.Choices[i].Speaks() {
			left.Add("citations")
		}
	}
	a.Other = left.Fields
	for i := range a.Choices {
		for p := range a.Choices[i].Parts {
			if call := a.Choices[i].Parts[p].Call; call != nil && call.ID == "" {
				call.ID = conversation.CallID(a.ID, i, p, call.Name)
			}
		}
	}
	return a, nil
}

// found reads the sources of the whole answer, as Perplexity, xAI and others name them: addresses, or results of a search.
// Some say both.
func (d decoder) found(sources *[]conversation.Citation) {
	if d.Type() != dialect.TypeArray {
		d.Leave()
		return
	}
	d.Items("citations", func(int) {
		c := conversation.Citation{Vendor: conversation.VendorOpenAI}
		switch d.Type() {
		case dialect.TypeString:
			c.URL = d.Str("citations")
		case dialect.TypeObject:
			d.Each("search_results", func(k string) {
				switch {
				case k == "url" && d.Type() == dialect.TypeString:
					c.URL = d.Str(k)
				case k == "title" && d.Type() == dialect.TypeString:
					c.Title = d.Str(k)
				case k == "date" || k == "last_updated" || k == "source": // when it was written, and how it was found
					d.Skip()
				default:
					d.Leave()
				}
			})
		default:
			d.Leave()
			return
		}
		if c.URL == "" {
			d.Unsaid("")
			return
		}
		for i := range *sources {
			if known := &(*sources)[i]; known.URL == c.URL {
				known.Title = cmp.Or(known.Title, c.Title)
				return
			}
		}
		*sources = conversation.Bounded(append(*sources, c))
	})
}

// envelope reads over a member of an answer or a chunk that is about it: what it is, who made it, at which tier. What else
// stands there is listed.
func (d decoder) envelope(key string) {
	switch key {
	case "object", "system_fingerprint", "service_tier", "provider", "obfuscation", "type", "x_groq", "time_info", "request_id", "usage_breakdown", "generationId", "p":
		d.Skip()
	case "usage":
		d.usage()
	default:
		d.Leave()
	}
}

// usage lists what an account of usage has beside the numbers that the codec has read. Parts of a number are none.
func (d decoder) usage() {
	d.Members("usage", func(key string) {
		switch key {
		case "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "num_cached_tokens",
			"cache_read_input_tokens", "cache_creation_input_tokens", "input_tokens", "output_tokens", "reasoning_tokens":
			d.Skip()
		case "prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details":
			d.Members(key, func(key string) {
				switch key {
				case "cached_tokens", "cache_write_tokens", "reasoning_tokens", "text_tokens", "audio_tokens", "image_tokens", "video_tokens",
					"accepted_prediction_tokens", "rejected_prediction_tokens":
					d.Skip()
				default:
					d.Leave()
				}
			})
		case "queue_time", "prompt_time", "completion_time", "total_time", "is_byok", "service_tier":
			d.Skip()
		default:
			d.Leave()
		}
	})
}

func (d decoder) choice() (c conversation.Choice) {
	d.Each("choices", func(k string) {
		switch k {
		case "message":
			var m said
			d.Each(k, func(k string) { d.answered("message", k, &m) })
			if c.Parts = m.all(); len(m.citations) > 0 && !c.Speaks() {
				d.Unsaid("annotations")
			}
		case "finish_reason":
			c.Finish = finishFrom(d.Str(k))
		case "logprobs":
			c.Logprobs = d.Raw()
		case "index", "seed", "native_finish_reason", "delta": // the same in another vendor's word; what Perplexity says once more
			d.Skip()
		default:
			d.Leave()
		}
	})
	c.Finish = c.Finish.Ended(c.Parts)
	return c
}

// answered reads one member of an answer's message, or of a delta of it.
func (d decoder) answered(at, key string, m *said) {
	if key != "audio" {
		d.said(at, key, m)
		return
	}
	d.Members(key, func(k string) { // whose words have a place
		switch k {
		case "transcript":
			if s := d.Str(k); s != "" {
				m.parts = append(m.parts, conversation.Part{Kind: conversation.Text, Text: s})
			}
		case "id", "expires_at":
			d.Skip()
		default:
			d.Leave()
		}
	})
}

// Places returns what an answer has a place for: probabilities, several choices, what was written to a cache.
func (Codec) Places() conversation.Places {
	return conversation.Places{Choices: true, Logprobs: conversation.AllLogprobs, CacheWrites: true}
}

// finishFrom and finishTo translate finish reasons.
func finishFrom(s string) conversation.Finish {
	switch s {
	case "":
		return ""
	case "stop", "eos", "eos_token": // Together's and Hugging Face's
		return conversation.FinishStop
	case "length":
		return conversation.FinishLength
	case "tool_calls", "function_call":
		return conversation.FinishTools
	case "content_filter":
		return conversation.FinishFilter
	case "error", "insufficient_system_resource", "abort": // DeepSeek's, vLLM's
		return conversation.FinishFailed
	}
	return conversation.Finish("other:" + s)
}

func finishTo(f conversation.Finish) string {
	switch f {
	case conversation.FinishStop, conversation.FinishSequence:
		return "stop"
	case conversation.FinishTools:
		return "tool_calls"
	case conversation.FinishFilter, conversation.FinishRefusal:
		return "content_filter"
	}
	return "length" // of a pause, and of what is not known: there may be more to come, which "stop" would deny
}

// EncodeAnswer writes a chat completion.
func (Codec) EncodeAnswer(a *conversation.Answer) []byte {
	w := &dialect.Writer{}
	w.Object()
	head(w, a.ID, "chat.completion", a.Model, a.Created)
	w.Key("choices")
	w.Array()
	for i := range a.Choices {
		c := &a.Choices[i]
		w.Object()
		w.Key("index")
		w.Int(int64(i))
		w.Key("message")
		writeMessage(w, c.Parts)
		w.Key("logprobs")
		if c.Logprobs != nil {
			w.Raw(c.Logprobs)
		} else {
			w.Null()
		}
		w.Key("finish_reason")
		w.String(finishTo(c.Finish))
		w.EndObject()
	}
	w.EndArray()
	if a.Usage != nil {
		w.Key("usage")
		writeUsage(w, a.Usage)
	}
	w.EndObject()
	return w.Buf
}

// head writes what every answer and every chunk begins with.
func head(w *dialect.Writer, id, object, model string, created int64) {
	w.Key("id")
	w.String(id)
	w.Text("object", object)
	w.Key("created")
	if created == 0 {
		created = time.Now().Unix()
	}
	w.Int(created)
	w.Key("model")
	w.String(model)
}

func writeMessage(w *dialect.Writer, parts []conversation.Part) {
	var texts, refusals, thoughts []conversation.Part
	before := 0 // the bytes of the texts before
	spoke, sealed, calls := false, false, 0
	var cited []conversation.Citation
	var images []*conversation.Medium
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case conversation.Text:
			spoke = true
			for _, c := range p.Citations {
				start, end := c.Span(p.Text)
				c.Start, c.End = start+before, end+before
				cited = append(cited, c)
			}
			before += len(p.Text)
			texts = append(texts, *p)
		case conversation.Media:
			if p.Media.IsImage() {
				images = append(images, p.Media)
			}
		case conversation.Refusal:
			refusals = append(refusals, *p)
		case conversation.Thinking:
			thoughts = append(thoughts, *p)
			sealed = sealed || p.Opaque.Value != ""
		case conversation.ToolCall:
			calls++
		}
	}
	text, refusal := conversation.Words(texts), conversation.Words(refusals)
	w.Object()
	w.Text("role", "assistant")
	w.Key("content")
	if spoke {
		w.String(text)
	} else {
		w.Null()
	}
	w.Key("refusal")
	if refusal != "" {
		w.String(refusal)
	} else {
		w.Null()
	}
	w.Text("reasoning_content", conversation.Words(thoughts))
	if sealed {
		w.Key("reasoning_details")
		writeDetails(w, parts)
	}
	writeCitations(w, text, 0, cited)
	writeImages(w, images, 0)
	if calls > 0 {
		w.Key("tool_calls")
		w.Array()
		for i := range parts {
			if p := &parts[i]; p.Kind == conversation.ToolCall {
				writeCall(w, p, -1, p.Call.Written(), true)
			}
		}
		w.EndArray()
	}
	w.EndObject()
}

// writeDetails writes the thoughts with their sealed state.
func writeDetails(w *dialect.Writer, parts []conversation.Part) {
	w.Array()
	n := int64(0)
	for i := range parts {
		if p := &parts[i]; p.Kind == conversation.Thinking {
			writeDetail(w, p, n)
			n++
		}
	}
	w.EndArray()
}

func writeDetail(w *dialect.Writer, p *conversation.Part, index int64) {
	format := formats[p.Opaque.Vendor]
	if format == "" {
		format = p.Opaque.Vendor
	}
	w.Object()
	switch {
	case p.Redacted || p.Text == "":
		w.Text("type", "reasoning.encrypted")
		w.Text("data", p.Opaque.Value)
	case p.Opaque.Value == "" && sums(format):
		w.Text("type", "reasoning.summary")
		w.Text("summary", p.Text)
	default:
		w.Text("type", "reasoning.text")
		w.Text("text", p.Text)
		w.Text("signature", p.Opaque.Value)
	}
	w.Text("id", p.Opaque.ID)
	w.Text("format", format)
	w.Key("index")
	w.Int(index)
	w.EndObject()
}

// writeCitations writes the annotations of a text that stands behind others of so many characters; their places count
// characters.
func writeCitations(w *dialect.Writer, text string, before int64, all []conversation.Citation) {
	all = slices.DeleteFunc(slices.Clone(conversation.Bounded(all)), func(c conversation.Citation) bool { return c.URL == "" })
	if len(all) == 0 {
		return
	}
	ruler := conversation.NewRuler(text)
	w.Key("annotations")
	w.Array()
	for _, c := range all {
		start, end := c.InChars(ruler)
		w.Object()
		w.Text("type", "url_citation")
		w.Key("url_citation")
		w.Object()
		w.Key("start_index")
		w.Int(before + start)
		w.Key("end_index")
		w.Int(before + end)
		w.Key("title") // which SDKs demand
		w.String(c.Title)
		w.Text("url", c.URL)
		w.EndObject()
		w.EndObject()
	}
	w.EndArray()
}

// writeImages writes the images of an answer as OpenRouter and others do: OpenAI has no place for them.
func writeImages(w *dialect.Writer, all []*conversation.Medium, first int64) {
	if len(all) == 0 {
		return
	}
	w.Key("images")
	w.Array()
	for i, m := range all {
		url := m.URL
		if m.Data != "" {
			url = "data:" + m.Type + ";base64," + m.Data
		}
		w.Object()
		w.Key("index")
		w.Int(first + int64(i))
		w.Text("type", "image_url")
		w.Key("image_url")
		w.Object()
		w.Text("url", url)
		w.EndObject()
		w.EndObject()
	}
	w.EndArray()
}

func writeUsage(w *dialect.Writer, u *llm.Usage) {
	w.Object()
	w.Key("prompt_tokens")
	w.Int(u.InputTotal)
	w.Key("completion_tokens")
	w.Int(u.OutputTotal)
	w.Key("total_tokens")
	w.Int(u.InputTotal + u.OutputTotal)
	w.Key("prompt_tokens_details")
	w.Object()
	w.Key("cached_tokens")
	w.Int(u.CacheRead)
	w.Count("cache_write_tokens", u.CacheWrite5m+u.CacheWrite1h) // as OpenRouter has it
	w.EndObject()
	w.Key("completion_tokens_details")
	w.Raw([]byte(`{"reasoning_tokens":` + strconv.FormatInt(u.Reasoning, 10) + `}`))
	w.EndObject()
}
