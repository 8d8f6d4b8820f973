package anthropic

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// DecodeAnswer reads a message.
func (c Codec) DecodeAnswer(body []byte) (*conversation.Answer, error) {
	var found dialect.Answer
	if err := c.Answer(llm.OpChat, body, &found); err != nil {
		return nil, err
	}
	a := &conversation.Answer{Usage: found.Usage, Choices: make([]conversation.Choice, 1)}
	choice := &a.Choices[0]
	var left conversation.Left
	d := decoder{left.Reader(body), &conversation.Request{}}
	d.Each("the answer", func(k string) {
		switch k {
		case "id":
			a.ID = d.Str(k)
		case "model":
			a.Model = d.Str(k)
		case "content":
			choice.Parts = d.content(k)
		case "stop_reason":
			choice.Finish = finishFrom(d.Str(k))
		case "stop_sequence":
			choice.StopSequence = d.Str(k)
		default:
			d.envelope(k)
		}
	})
	a.Other = left.Fields
	return a, d.End()
}

// envelope reads over a member of a message or an event that is about it. What else stands there is listed.
func (d decoder) envelope(key string) {
	switch key {
	case "type", "role", "request_id", "amazon-bedrock-invocationMetrics":
		d.Skip()
	case "usage":
		d.Members(key, d.used)
	case "context_management":
		d.LeaveEach(key)
	default:
		d.Leave()
	}
}

// used lists what an account of usage has beside the numbers that the codec has read.
func (d decoder) used(key string) {
	switch key {
	case "input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation", "output_tokens_details", "iterations",
		"service_tier", "inference_geo", "speed":
		d.Skip()
	case "server_tool_use":
		d.LeaveEach(key)
	default:
		d.Leave()
	}
}

// Places returns what an answer has a place for: which stop sequence ended it, sources of any kind, what was written to a
// cache.
func (Codec) Places() conversation.Places {
	return conversation.Places{Sequence: true, Citations: true, CacheWrites: true, Native: llm.Anthropic}
}

// finishFrom and finishTo translate stop reasons.
func finishFrom(s string) conversation.Finish {
	switch s {
	case "":
		return ""
	case "end_turn":
		return conversation.FinishStop
	case "stop_sequence":
		return conversation.FinishSequence
	case "max_tokens":
		return conversation.FinishLength
	case "model_context_window_exceeded":
		return conversation.FinishContext
	case "tool_use":
		return conversation.FinishTools
	case "refusal":
		return conversation.FinishRefusal
	case "pause_turn":
		return conversation.FinishPause
	}
	return conversation.Finish("other:" + s)
}

func finishTo(f conversation.Finish) string {
	switch f {
	case conversation.FinishSequence:
		return "stop_sequence"
	case conversation.FinishContext:
		return "model_context_window_exceeded"
	case conversation.FinishTools:
		return "tool_use"
	case conversation.FinishPause:
		return "pause_turn"
	case conversation.FinishStop, "":
		return "end_turn"
	case conversation.FinishFilter, conversation.FinishRefusal:
		return "refusal"
	}
	return "max_tokens" // it may not be whole
}

// EncodeAnswer writes a message. Of several choices it has the first: who asks for more is refused.
func (Codec) EncodeAnswer(a *conversation.Answer) []byte {
	w := &dialect.Writer{}
	var c conversation.Choice
	if len(a.Choices) > 0 {
		c = a.Choices[0]
	}
	w.Object()
	writeHead(w, a.ID, a.Model)
	w.Key("content")
	w.Array()
	for i := range c.Parts {
		writePart(w, &c.Parts[i])
	}
	w.EndArray()
	writeStop(w, c.Finish, c.StopSequence)
	u := a.Usage
	if u == nil {
		u = &llm.Usage{}
	}
	w.Key("usage")
	writeUsage(w, u)
	w.EndObject()
	return w.Buf
}

func writeHead(w *dialect.Writer, id, model string) {
	w.Key("id")
	w.String(id)
	w.Text("type", "message")
	w.Text("role", "assistant")
	w.Key("model")
	w.String(model)
}

func writeStop(w *dialect.Writer, f conversation.Finish, sequence string) {
	w.Key("stop_reason")
	w.String(finishTo(f))
	w.Key("stop_sequence")
	if sequence == "" {
		w.Null()
	} else {
		w.String(sequence)
	}
}

// writePart writes a content block of an answer.
func writePart(w *dialect.Writer, p *conversation.Part) {
	switch p.Kind {
	case conversation.Text, conversation.Refusal:
		w.Object()
		w.Text("type", "text")
		w.Key("text")
		w.String(p.Text)
		writeCitations(w, p.Citations)
		w.EndObject()
	case conversation.ToolCall:
		w.Object()
		w.Text("type", "tool_use")
		w.Text("id", conversation.PackID(p.Call.ID, p.Opaque))
		w.Text("name", p.Call.Name)
		w.Key("input")
		writeInput(w, p.Call.Arguments)
		w.EndObject()
	case conversation.Thinking:
		writeThinking(w, p)
	case conversation.Media:
		if !p.Media.IsImage() {
			return
		}
		w.Object()
		w.Text("type", "image")
		w.Key("source")
		w.Object()
		if p.Media.Data != "" {
			w.Text("type", "base64")
			w.Text("media_type", p.Media.Type)
			w.Text("data", p.Media.Data)
		} else {
			w.Text("type", "url")
			w.Text("url", p.Media.URL)
		}
		w.EndObject()
		w.EndObject()
	case conversation.Native:
		if p.Native.Dialect == llm.Anthropic {
			w.Raw(p.Native.Raw)
		}
	}
}

func writeCitations(w *dialect.Writer, all []conversation.Citation) {
	if len(all) == 0 {
		return
	}
	w.Key("citations")
	w.Array()
	for i := range all {
		writeCitation(w, &all[i])
	}
	w.EndArray()
}

func writeCitation(w *dialect.Writer, c *conversation.Citation) {
	if c.Vendor == conversation.VendorAnthropic {
		w.Raw(c.Raw)
		return
	}
	w.Object()
	w.Text("type", "web_search_result_location")
	w.Key("cited_text")
	w.String(c.Quote)
	w.Key("url")
	w.String(c.URL)
	w.Key("title")
	w.String(c.Title)
	w.Key("encrypted_index")
	w.String("")
	w.EndObject()
}

func writeUsage(w *dialect.Writer, u *llm.Usage) {
	w.Object()
	w.Key("input_tokens")
	w.Int(max(u.InputTotal-u.CacheRead-u.CacheWrite5m-u.CacheWrite1h, 0))
	w.Key("cache_creation_input_tokens")
	w.Int(u.CacheWrite5m + u.CacheWrite1h)
	w.Key("cache_read_input_tokens")
	w.Int(u.CacheRead)
	if u.CacheWrite1h > 0 {
		w.Key("cache_creation")
		w.Object()
		w.Key("ephemeral_5m_input_tokens")
		w.Int(u.CacheWrite5m)
		w.Key("ephemeral_1h_input_tokens")
		w.Int(u.CacheWrite1h)
		w.EndObject()
	}
	w.Key("output_tokens")
	w.Int(u.OutputTotal)
	if u.Reasoning > 0 {
		w.Key("output_tokens_details")
		w.Object()
		w.Key("thinking_tokens")
		w.Int(u.Reasoning)
		w.EndObject()
	}
	w.EndObject()
}
