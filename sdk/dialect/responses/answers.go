package responses

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// DecodeAnswer reads a response.
func (c Codec) DecodeAnswer(body []byte) (*conversation.Answer, error) {
	var found dialect.Answer
	if err := c.Answer(llm.OpChat, body, &found); err != nil {
		return nil, err
	}
	if found.Error != nil {
		return nil, found.Error
	}
	var left conversation.Left
	d := decoder{left.Reader(body), &conversation.Request{}, &conversation.LogprobPieces{}}
	r := d.response("the answer", false)
	if err := d.End(); err != nil {
		return nil, err
	}
	r.answer.Usage, r.answer.Stored, r.answer.Other = found.Usage, !found.Unstored, left.Fields
	return &r.answer, nil
}

// response is a response object, whole or at the end of a stream.
type response struct {
	answer         conversation.Answer
	status, reason string
}

// response reads one; repeated says that its output has been read before.
func (d decoder) response(name string, repeated bool) (r response) {
	r.answer.Choices = make([]conversation.Choice, 1)
	choice := &r.answer.Choices[0]
	d.Each(name, func(k string) {
		switch k {
		case "id":
			r.answer.ID = d.Str(k)
		case "model":
			r.answer.Model = d.Str(k)
		case "created_at":
			r.answer.Created = d.Count(k)
		case "status":
			r.status = d.Str(k)
		case "incomplete_details":
			d.Each(k, func(k string) {
				if k == "reason" {
					r.reason = d.Str(k)
				} else {
					d.Leave()
				}
			})
		case "output":
			of := d
			if repeated {
				of.Reader = d.Repeated(d.Raw())
			}
			of.Items(k, func(int) { choice.Parts = append(choice.Parts, of.output(k)...) })
		case "usage":
			d.usage()
		default:
			d.envelope(k)
		}
	})
	choice.Logprobs = d.logprobs.Take()
	choice.Finish = finishFrom(r.status, r.reason, choice.Parts)
	return r
}

// output reads an item of an answer.
func (d decoder) output(key string) []conversation.Part {
	before := d.Listed()
	raw, f := d.fields(key)
	p, _, ok := f.part()
	switch {
	case ok:
		p.Item = f.id
		return []conversation.Part{p}
	case f.kind == "message":
		if len(f.parts) > 0 {
			f.parts[0].Item = f.id
		}
		return f.parts
	}
	d.Unlist(before)
	return []conversation.Part{{Kind: conversation.Native, Native: &conversation.Foreign{Dialect: llm.Responses, Type: f.kind, Raw: raw}, At: d.Path()}}
}

// envelope reads over a member of a response that is about it, or says the request or the answer once more. What else
// stands there is listed.
func (d decoder) envelope(key string) {
	switch key {
	case "object", "error", "output_text", "completed_at", "service_tier", "background", "billing", "conversation", "frequency_penalty", "instructions",
		"max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "presence_penalty", "previous_response_id", "prompt", "prompt_cache_key",
		"prompt_cache_retention", "reasoning", "safety_identifier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs", "top_p", "truncation",
		"user", "include", "stream", "input", "type", "prompt_cache_options":
		d.Skip()
	case "tool_usage":
		d.LeaveEach(key)
	default:
		d.Leave()
	}
}

// usage lists what an account of usage has beside the numbers that the codec has read. Parts of a number are none.
func (d decoder) usage() {
	d.Members("usage", func(k string) {
		switch k {
		case "input_tokens", "output_tokens", "total_tokens":
			d.Skip()
		case "input_tokens_details", "output_tokens_details":
			d.Members(k, func(k string) {
				switch k {
				case "cached_tokens", "cache_write_tokens", "reasoning_tokens", "text_tokens", "audio_tokens", "image_tokens":
					d.Skip()
				default:
					d.Leave()
				}
			})
		default:
			d.Leave()
		}
	})
}

func finishFrom(status, reason string, parts []conversation.Part) conversation.Finish {
	switch {
	case status == "incomplete" && reason == "max_output_tokens":
		return conversation.FinishLength
	case status == "incomplete" && reason == "content_filter":
		return conversation.FinishFilter
	case status == "incomplete":
		return conversation.Finish("other:" + reason)
	case status == "failed" || status == "cancelled":
		return conversation.FinishFailed
	case status == "in_progress" || status == "queued":
		return ""
	}
	return conversation.FinishStop.Ended(parts)
}

// finishTo returns a status and, of an incomplete response, the reason. A refusal is a completed response
// where its words say that it is one.
func finishTo(c *conversation.Choice) (status, reason string) {
	refused := func(p conversation.Part) bool { return p.Kind == conversation.Refusal }
	if c.Finish == conversation.FinishRefusal && !slices.ContainsFunc(c.Parts, refused) {
		return "incomplete", "content_filter"
	}
	switch c.Finish {
	case conversation.FinishStop, conversation.FinishSequence, conversation.FinishTools, conversation.FinishRefusal:
		return "completed", ""
	case conversation.FinishFilter:
		return "incomplete", "content_filter"
	}
	return "incomplete", "max_output_tokens" // it may not be whole
}

// Places returns what an answer has a place for: probabilities of its words, what was written to a cache.
func (Codec) Places() conversation.Places {
	return conversation.Places{Logprobs: conversation.WordLogprobs, CacheWrites: true, Native: llm.Responses}
}

// EncodeAnswer writes a response. Of several choices it has the first: who asks for more is refused.
func (Codec) EncodeAnswer(a *conversation.Answer) []byte {
	w := &dialect.Writer{}
	writeResponse(w, a, "")
	return w.Buf
}

// writeResponse writes a response object; status "" is the one that the finish reason says.
func writeResponse(w *dialect.Writer, a *conversation.Answer, status string) {
	var c conversation.Choice
	if len(a.Choices) > 0 {
		c = a.Choices[0]
	}
	reason := ""
	if status == "" {
		status, reason = finishTo(&c)
	}
	created := a.Created
	if created == 0 {
		created = time.Now().Unix()
	}
	w.Object()
	w.Key("id")
	w.String(a.ID)
	w.Text("object", "response")
	w.Key("created_at")
	w.Int(created)
	w.Text("status", status)
	w.Member("error", []byte("null"))
	w.Key("incomplete_details")
	if reason == "" {
		w.Null()
	} else {
		w.Object()
		w.Text("reason", reason)
		w.EndObject()
	}
	w.Member("instructions", []byte("null"))
	w.Member("metadata", []byte("{}"))
	w.Key("model")
	w.String(a.Model)
	w.Key("output")
	w.Array()
	words, _ := conversation.LogprobItems(c.Logprobs)
	for i := range c.Parts {
		p := &c.Parts[i]
		if p.Kind == conversation.Text {
			writeItem(w, p, i, "completed", words)
			words = nil
			continue
		}
		writeItem(w, p, i, "completed", nil)
	}
	w.EndArray()
	w.Raw([]byte(`"parallel_tool_calls":true,"temperature":null,"tool_choice":"auto","tools":[],"top_p":null,"text":{"format":{"type":"text"}}`)) // members, not a value
	w.Key("store")
	w.Bool(a.Stored)
	w.Key("usage")
	if a.Usage == nil {
		w.Null()
	} else {
		writeUsage(w, a.Usage)
	}
	w.EndObject()
}

// itemID returns the id of the item that part i of an answer is.
func itemID(p *conversation.Part, i int) string {
	if p.Item != "" {
		return p.Item
	}
	switch p.Kind {
	case conversation.ToolCall:
		return "fc_" + strconv.Itoa(i)
	case conversation.Thinking:
		if p.Opaque.Vendor == conversation.VendorOpenAI && p.Opaque.ID != "" {
			return p.Opaque.ID
		}
		return "rs_" + strconv.Itoa(i)
	}
	return "msg_" + strconv.Itoa(i)
}

// writeItem writes part i of an answer as an item, with the log probabilities of its words; an image is words.
func writeItem(w *dialect.Writer, p *conversation.Part, i int, status string, logprobs []byte) {
	if !p.HasForm(llm.Responses) {
		return
	}
	id := itemID(p, i)
	switch p.Kind {
	case conversation.ToolCall:
		arguments := ""
		if status != "in_progress" { // in which they come in pieces
			arguments = p.Call.Written()
			if !p.Call.Custom && !json.Valid([]byte(arguments)) {
				status = "incomplete" // the limit of the answer cut it
			}
		}
		writeCall(w, p, id, conversation.PackID(p.Call.ID, p.Opaque), arguments, status)
	case conversation.Thinking:
		writeReasoning(w, p, id, status)
	case conversation.Native:
		w.Raw(p.Native.Raw)
	default:
		w.Object()
		w.Text("id", id)
		w.Text("type", "message")
		w.Text("status", status)
		w.Text("role", "assistant")
		w.Key("content")
		w.Array()
		if status == "completed" {
			writeContent(w, p, logprobs)
		}
		w.EndArray()
		w.EndObject()
	}
}

// writeContent writes the content part of a message.
func writeContent(w *dialect.Writer, p *conversation.Part, logprobs []byte) {
	w.Object()
	if p.Kind == conversation.Refusal {
		w.Text("type", "refusal")
		w.Key("refusal")
		w.String(p.Text)
	} else {
		text := p.Text
		if p.Kind == conversation.Media {
			text = markdown(p.Media)
		}
		w.Text("type", "output_text")
		w.Key("text")
		w.String(text)
		w.Key("annotations")
		w.Array()
		if all := urls(p.Citations); len(all) > 0 {
			ruler := conversation.NewRuler(p.Text)
			for _, c := range all {
				writeCitation(w, ruler, &c)
			}
		}
		w.EndArray()
		if len(logprobs) > 0 {
			writeLogprobs(w, logprobs)
		}
	}
	w.EndObject()
}

func writeLogprobs(w *dialect.Writer, items []byte) {
	w.Key("logprobs")
	w.Array()
	if len(items) > 0 {
		w.Raw(items)
	}
	w.EndArray()
}

// markdown returns the words that a medium is in an answer.
func markdown(m *conversation.Medium) string {
	if m.URL != "" {
		return "![](" + m.URL + ")"
	}
	return "![](data:" + m.Type + ";base64," + m.Data + ")"
}

// urls returns the citations that have an address: there is no annotation of others.
func urls(all []conversation.Citation) []conversation.Citation {
	return slices.DeleteFunc(slices.Clone(conversation.Bounded(all)), func(c conversation.Citation) bool { return c.URL == "" })
}

// writeCitation writes an annotation; its places count characters.
func writeCitation(w *dialect.Writer, text *conversation.Ruler, c *conversation.Citation) {
	start, end := c.InChars(text)
	w.Object()
	w.Text("type", "url_citation")
	w.Key("start_index")
	w.Int(start)
	w.Key("end_index")
	w.Int(end)
	w.Key("url")
	w.String(c.URL)
	w.Key("title")
	w.String(c.Title)
	w.EndObject()
}

func writeUsage(w *dialect.Writer, u *llm.Usage) {
	w.Object()
	w.Key("input_tokens")
	w.Int(u.InputTotal)
	w.Key("input_tokens_details")
	w.Object()
	w.Key("cached_tokens")
	w.Int(u.CacheRead)
	w.Count("cache_write_tokens", u.CacheWrite5m+u.CacheWrite1h)
	w.EndObject()
	w.Key("output_tokens")
	w.Int(u.OutputTotal)
	w.Key("output_tokens_details")
	w.Raw([]byte(`{"reasoning_tokens":` + strconv.FormatInt(u.Reasoning, 10) + `}`))
	w.Key("total_tokens")
	w.Int(u.InputTotal + u.OutputTotal)
	w.EndObject()
}
