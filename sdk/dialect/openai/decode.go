package openai

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

var _ conversation.Codec = Codec{}

// decoder reads one request into the model.
type decoder struct {
	*conversation.Reader
	into *conversation.Request
}

// DecodeRequest reads a chat request.
func (Codec) DecodeRequest(body []byte) (*conversation.Request, error) {
	q := &conversation.Request{}
	d := decoder{conversation.NewRequestReader(body, q), q}
	d.Each("the body", d.member)
	if err := d.End(); err != nil {
		return nil, err
	}
	d.into.Join()
	d.into.Complete()
	return d.into, nil
}

// member reads one member of the request.
func (d decoder) member(key string) {
	q := d.into
	switch key {
	case "model":
		q.Model = d.Str(key)
	case "messages":
		d.Items(key, d.message)
	case "stream":
		q.Stream = flag(d.Flag(key))
	case "stream_options":
		d.Each(key, func(k string) {
			switch k {
			case "include_usage":
				q.IncludeUsage = flag(d.Flag(k))
			case "include_obfuscation": // a stream that is translated has none
				d.Skip()
			default:
				d.Leave()
			}
		})
	case "max_tokens", "max_completion_tokens":
		q.MaxTokens = max(q.MaxTokens, d.Limit(key))
	case "stop":
		q.Stop = d.stop(key)
	case "n":
		if n := d.Count(key); n > 1 {
			q.Choices = n
		}
	case "logprobs":
		q.Logprobs = flag(d.Flag(key))
	case "parallel_tool_calls":
		q.Parallel = d.Flag(key)
	case "user", "safety_identifier":
		if s := d.Str(key); q.User == "" {
			q.User = s
		} else if s != "" && s != q.User {
			d.Unsaid("")
		}
	case "prompt_cache_key":
		q.CacheKey = d.Str(key)
	case "store":
		q.Store = flag(d.Flag(key))
	default:
		if n := numberOf(q, key); n != nil {
			*n = d.Num(key)
			return
		}
		d.wish(key)
	}
}

// numberOf returns where a number of the request stands in the model.
func numberOf(q *conversation.Request, key string) *conversation.Number {
	switch key {
	case "temperature":
		return &q.Temperature
	case "top_p":
		return &q.TopP
	case "top_k":
		return &q.TopK
	case "frequency_penalty":
		return &q.FrequencyPenalty
	case "presence_penalty":
		return &q.PresencePenalty
	case "seed":
		return &q.Seed
	case "top_logprobs":
		return &q.TopLogprobs
	}
	return nil
}

// wish reads what is said about tools, form and reasoning, and keeps the rest.
func (d decoder) wish(key string) {
	q := d.into
	switch key {
	case "tools":
		d.Items(key, d.tool)
	case "functions":
		d.Items(key, func(int) {
			t := d.function()
			t.At = d.At()
			q.Tools = append(q.Tools, t)
		})
	case "tool_choice", "function_call":
		q.ToolChoice = d.toolChoice(key)
	case "response_format":
		d.format(key)
	case "reasoning_effort":
		d.effort(d.Str(key))
	case "reasoning":
		d.Each(key, func(k string) {
			switch k {
			case "effort":
				d.effort(d.Str(k))
			case "max_tokens":
				q.Reasoning.Budget = d.Count(k)
			default:
				d.Leave()
			}
		})
	default:
		raw := d.Raw()
		switch f := (conversation.Field{Name: key, Value: raw, Vital: vital[key]}); {
		case raw == nil || idle(key, string(raw)):
		case conversation.IsShared(key):
			q.Shared = append(q.Shared, f)
		default:
			q.Other = append(q.Other, f)
		}
	}
}

// vital are the members without which a request asks for something else.
var vital = map[string]bool{"logit_bias": true, "audio": true, "modalities": true, "web_search_options": true}

// idle reports whether a member says what holds without it.
func idle(key, value string) bool {
	switch key {
	case "echo":
		return value == "false"
	case "modalities":
		return value == `["text"]`
	case "service_tier":
		return value == `"auto"` || value == `"default"`
	case "logit_bias", "metadata":
		return value == "{}"
	}
	return false
}

func flag(v *bool) bool { return v != nil && *v }

func (d decoder) effort(s string) {
	d.into.Reasoning.Effort, d.into.Reasoning.Off = s, s == "none"
}

func (d decoder) stop(key string) (all []string) {
	if d.Type() == dialect.TypeArray {
		d.Items(key, func(int) { all = append(all, d.Str(key)) })
		return all
	}
	if s := d.Str(key); s != "" {
		all = append(all, s)
	}
	return all
}

func (d decoder) tool(i int) {
	at := "tools[" + strconv.Itoa(i) + "]"
	t := conversation.Tool{}
	kind, cache := "function", (*conversation.Cache)(nil)
	begin := d.Pos()
	d.Each(at, func(k string) {
		switch k {
		case "type":
			kind = d.Str(at + ".type")
		case "function":
			t = d.function()
		case "cache_control":
			cache = d.cache() // before or behind the function
		default:
			d.Leave()
		}
	})
	t.Cache = cache
	if kind != "function" {
		rest := json.RawMessage(strings.TrimSpace(string(d.Bytes(dialect.Span{Start: begin, End: d.Pos()}))))
		t = conversation.Tool{Native: &conversation.Foreign{Dialect: Codec{}.Name(), Type: kind, Raw: rest}}
	}
	d.into.Tools = append(d.into.Tools, t)
}

func (d decoder) function() (t conversation.Tool) {
	d.Each("function", func(k string) {
		switch k {
		case "name":
			t.Name = d.Str(k)
		case "description":
			t.Description = d.Str(k)
		case "parameters":
			t.Parameters = d.Raw()
		case "strict":
			t.Strict = d.Flag(k)
		default:
			d.Leave()
		}
	})
	return t
}

func (d decoder) cache() *conversation.Cache {
	if d.Null() {
		return nil
	}
	c := &conversation.Cache{}
	d.Each("cache_control", func(k string) {
		switch k {
		case "type":
			d.Skip()
		case "ttl":
			c.TTL = d.Str(k)
		default:
			d.Leave()
		}
	})
	return c
}

func (d decoder) toolChoice(key string) (c conversation.ToolChoice) {
	if d.Type() == dialect.TypeObject {
		c.Mode = conversation.ToolRequired
		if kind := d.namedChoice(key, &c); len(c.Names) == 0 && !chosen(kind, &c) { // {"type":"auto"}, as some editors write it
			d.Refuse("`" + key + "` names no function")
		}
		return c
	}
	if s := d.Str(key); s != "" && !chosen(s, &c) {
		d.Refuse("`" + key + "` must be auto, none, required or name a function")
	}
	return c
}

// chosen sets the mode that a word is, and reports whether it is one.
func chosen(word string, c *conversation.ToolChoice) bool {
	switch word {
	case "auto":
		c.Mode = conversation.ToolAuto
	case "none":
		c.Mode = conversation.ToolNone
	case "required", "any":
		c.Mode = conversation.ToolRequired
	default:
		return false
	}
	return true
}

// namedChoice reads {"type":"function","function":{"name":...}}, {"name":...} and the allowed_tools form, and returns the
// type.
func (d decoder) namedChoice(key string, c *conversation.ToolChoice) (kind string) {
	d.Each(key, func(k string) {
		switch k {
		case "name":
			c.Names = append(c.Names, d.Str(k))
		case "mode":
			if d.Str(k) == "auto" {
				c.Mode = conversation.ToolAuto
			}
		case "function", "allowed_tools", "custom":
			d.namedChoice(k, c)
		case "tools":
			d.Items(k, func(i int) {
				before := len(c.Names)
				if d.namedChoice(k, c); len(c.Names) == before {
					d.Refuse("`" + key + ".tools[" + strconv.Itoa(i) + "]` names no function")
				}
			})
		case "type":
			kind = d.Str(k)
		default:
			d.Leave()
		}
	})
	return kind
}

func (d decoder) format(key string) {
	f := &d.into.Format
	d.Each(key, func(k string) {
		switch k {
		case "type":
			switch s := d.Str(k); s {
			case "text":
				f.Kind = conversation.FormatText
			case "json_object":
				f.Kind = conversation.FormatJSON
			case "json_schema":
				f.Kind = conversation.FormatSchema
			default:
				d.Refuse("`response_format.type` must be text, json_object or json_schema")
			}
		case "json_schema":
			d.Each(k, func(k string) {
				switch k {
				case "name":
					f.Name = d.Str(k)
				case "description":
					f.Description = d.Str(k)
				case "schema":
					f.Schema, f.At = d.Raw(), d.At()
				case "strict":
					f.Strict = d.Flag(k)
				default:
					d.Leave()
				}
			})
		default:
			d.Leave()
		}
	})
}
