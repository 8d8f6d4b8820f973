package bedrock

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// decoder reads one request, or the message of an answer, into the model.
type decoder struct {
	*conversation.Reader
	into *conversation.Request
}

// DecodeRequest reads a request of Converse. The model and whether the answer is a stream stand in its path.
func (Codec) DecodeRequest(body []byte) (*conversation.Request, error) {
	q := &conversation.Request{IncludeUsage: true}
	d := decoder{conversation.NewRequestReader(body, q), q}
	d.Each("the body", d.member)
	if err := d.End(); err != nil {
		return nil, err
	}
	d.into.Join()
	d.into.Complete()
	return d.into, nil
}

func (d decoder) member(key string) {
	q := d.into
	switch key {
	case "modelId":
		q.Model = d.Str(key)
	case "system":
		q.System = d.content(key)
	case "messages":
		d.Items(key, func(int) { q.Turns = append(q.Turns, d.message()) })
	case "inferenceConfig":
		d.Each(key, d.inference)
	case "toolConfig":
		d.Each(key, d.toolConfig)
	case "additionalModelRequestFields":
		d.Each(key, d.additional)
	case "outputConfig":
		d.Each(key, d.output)
	default:
		if raw := d.Raw(); raw != nil {
			q.Other = append(q.Other, conversation.Field{Name: key, Value: raw, Vital: key == "guardrailConfig" || key == "promptVariables"})
		}
	}
}

func (d decoder) inference(key string) {
	q := d.into
	switch key {
	case "maxTokens":
		q.MaxTokens = d.Limit(key)
	case "temperature":
		q.Temperature = d.Num(key)
	case "topP":
		q.TopP = d.Num(key)
	case "stopSequences":
		d.Items(key, func(int) { q.Stop = append(q.Stop, d.Str(key)) })
	default:
		d.Leave()
	}
}

// additional reads what is said in a model's own words, as far as the model has a place for it.
func (d decoder) additional(key string) {
	q := d.into
	switch key {
	case "thinking", "reasoning_config":
		if d.Type() == dialect.TypeString {
			q.Reasoning.Effort = d.Str(key)
			return
		}
		d.Each(key, func(k string) {
			switch k {
			case "type":
				switch d.Str(k) {
				case "enabled":
					q.Reasoning.Include = true
				case "adaptive":
					q.Reasoning.Include, q.Reasoning.Budget = true, -1
				case "disabled":
					q.Reasoning.Off = true
				}
			case "budget_tokens":
				q.Reasoning.Budget = d.Count(k)
			default:
				d.Leave()
			}
		})
	case "reasoning_effort":
		q.Reasoning.Effort = d.Str(key)
	case "top_k":
		q.TopK = d.Num(key)
	case "inferenceConfig":
		d.Each(key, func(k string) {
			if k == "topK" {
				q.TopK = d.Num(k)
				return
			}
			d.Leave()
		})
	default:
		if raw := d.Raw(); raw != nil {
			q.Other = append(q.Other, conversation.Field{Name: "additionalModelRequestFields." + key, Value: raw})
		}
	}
}

// output reads how much the model shall think and the form that an answer must have: its schema stands in a string.
func (d decoder) output(key string) {
	f := &d.into.Format
	switch key {
	case "textFormat":
	case "effort":
		d.into.Reasoning.Effort = d.Str(key)
		return
	default:
		d.Leave()
		return
	}
	d.Each(key, func(k string) {
		switch k {
		case "type":
			if d.Str(k) == "json_schema" {
				f.Kind = conversation.FormatSchema
			}
		case "structure":
			d.Each(k, func(k string) {
				if k != "jsonSchema" {
					d.Leave()
					return
				}
				d.Each(k, func(k string) {
					switch k {
					case "schema":
						f.Schema = []byte(d.Str(k))
					case "name":
						f.Name = d.Str(k)
					case "description":
						f.Description = d.Str(k)
					default:
						d.Leave()
					}
				})
			})
		default:
			d.Leave()
		}
	})
}

func (d decoder) toolConfig(key string) {
	q := d.into
	switch key {
	case "tools":
		d.Items(key, d.tool)
	case "toolChoice":
		d.Each(key, func(k string) {
			switch k {
			case "auto":
				q.ToolChoice.Mode = conversation.ToolAuto
				d.Leave()
			case "any":
				q.ToolChoice.Mode = conversation.ToolRequired
				d.Leave()
			case "tool":
				q.ToolChoice.Mode = conversation.ToolRequired
				d.Each(k, func(k string) { q.ToolChoice.Names = append(q.ToolChoice.Names, d.Str(k)) })
			default:
				d.Leave()
			}
		})
	default:
		d.Leave()
	}
}

func (d decoder) tool(int) {
	q := d.into
	d.Each("tools", func(k string) {
		switch k {
		case "toolSpec":
			t := conversation.Tool{}
			d.Each(k, func(k string) {
				switch k {
				case "name":
					t.Name = d.Str(k)
				case "description":
					t.Description = d.Str(k)
				case "strict":
					t.Strict = d.Flag(k)
				case "inputSchema":
					d.Each(k, func(string) { t.Parameters = d.Raw() })
				default:
					d.Leave()
				}
			})
			q.Tools = append(q.Tools, t)
		case "cachePoint":
			c := d.cachePoint()
			if n := len(q.Tools); n > 0 {
				q.Tools[n-1].Cache = c
			}
		default:
			q.Tools = append(q.Tools, conversation.Tool{Native: &conversation.Foreign{Dialect: llm.Bedrock, Type: k, Raw: d.Raw()}})
		}
	})
}

func (d decoder) cachePoint() *conversation.Cache {
	c := &conversation.Cache{}
	d.Each("cachePoint", func(k string) {
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

// message reads a turn.
func (d decoder) message() (t conversation.Turn) {
	t.At = d.At()
	d.Each("messages", func(k string) {
		switch k {
		case "role":
			if d.Str(k) == "assistant" {
				t.Role = conversation.Assistant
			}
		case "content":
			t.Parts = d.content(k)
		default:
			d.Leave()
		}
	})
	return t
}

// content reads a list of blocks. A cache's mark belongs to the block before it.
func (d decoder) content(name string) (parts []conversation.Part) {
	d.Items(name, func(int) {
		d.Each(name, func(kind string) {
			if kind == "cachePoint" {
				c := d.cachePoint()
				if n := len(parts); n > 0 {
					parts[n-1].Cache = c
				}
				return
			}
			parts = append(parts, d.block(kind)...)
		})
	})
	return parts
}

// block reads the block of a type: one part, or a text in pieces with their sources.
func (d decoder) block(kind string) []conversation.Part {
	p := conversation.Part{At: d.At()}
	switch kind {
	case "text":
		p.Text = d.Str(kind)
	case "image", "document", "video", "audio":
		p.Kind, p.Media, p.At = conversation.Media, d.medium(kind), d.Path()
	case "toolUse":
		p.Kind, p.Call = conversation.ToolCall, &conversation.Call{}
		d.Each(kind, func(k string) {
			switch k {
			case "toolUseId":
				p.Call.ID = d.Str(k)
			case "name":
				p.Call.Name = d.Str(k)
			case "input":
				p.Call.Arguments = string(d.Raw())
			default:
				d.Leave()
			}
		})
	case "toolResult":
		p.Kind, p.Result, p.At = conversation.ToolResult, d.result(), d.Path()
	case "reasoningContent":
		d.reasoning(&p)
	case "citationsContent":
		return d.cited()
	default:
		p.Kind, p.Native = conversation.Native, &conversation.Foreign{Dialect: llm.Bedrock, Type: kind, Raw: d.Raw()}
		p.At = d.Path()
	}
	return []conversation.Part{p}
}

func (d decoder) result() *conversation.Result {
	res := &conversation.Result{}
	d.Each("toolResult", func(k string) {
		switch k {
		case "toolUseId":
			res.ID = d.Str(k)
		case "status":
			res.Error = d.Str(k) == "error"
		case "content":
			d.Items(k, func(int) {
				d.Each(k, func(kind string) {
					if kind == "json" {
						res.Object = d.Raw()
						res.Parts = append(res.Parts, conversation.Part{Text: string(res.Object), At: d.At()})
						return
					}
					res.Parts = append(res.Parts, d.block(kind)...)
				})
			})
		default:
			d.Leave()
		}
	})
	if len(res.Parts) != 1 || res.Object != nil && res.Object[0] != '{' {
		res.Object = nil
	}
	return res
}

func (d decoder) reasoning(p *conversation.Part) {
	p.Kind = conversation.Thinking
	d.Each("reasoningContent", func(k string) {
		switch k {
		case "reasoningText":
			d.Each(k, func(k string) {
				switch k {
				case "text":
					p.Text = d.Str(k)
				case "signature":
					p.Opaque = conversation.Unseal(d.Str(k), conversation.VendorAnthropic)
				default:
					d.Leave()
				}
			})
		case "redactedContent":
			p.Redacted, p.Opaque = true, conversation.Unseal(d.Str(k), conversation.VendorAnthropic)
		default:
			d.Leave()
		}
	})
}

// cited reads a text with its sources.
func (d decoder) cited() []conversation.Part {
	p := conversation.Part{At: d.At()}
	var text strings.Builder
	d.Each("citationsContent", func(k string) {
		switch k {
		case "content":
			d.Items(k, func(int) {
				d.Each(k, func(k string) {
					if k == "text" {
						text.WriteString(d.Str(k))
						return
					}
					d.Leave()
				})
			})
		case "citations":
			d.Items(k, func(int) { p.Citations = append(p.Citations, d.citation()) })
		default:
			d.Leave()
		}
	})
	p.Text = text.String()
	return []conversation.Part{p}
}

// citation reads where a text comes from.
func (d decoder) citation() (c conversation.Citation) {
	start := d.Pos()
	d.Each("citation", func(k string) {
		switch k {
		case "title":
			c.Title = d.Str(k)
		case "source": // by what name the client gave it
			d.Skip()
		case "sourceContent":
			d.Items(k, func(int) {
				d.Each(k, func(k string) {
					if k == "text" {
						c.Quote += d.Str(k)
						return
					}
					d.Leave()
				})
			})
		case "location":
			d.Each(k, func(k string) {
				if k != "web" { // a place in a document
					d.Leave()
					return
				}
				d.Each(k, func(k string) {
					if k == "url" {
						c.URL = d.Str(k)
						return
					}
					d.Skip() // its domain
				})
			})
		default:
			d.Leave()
		}
	})
	if c.URL == "" {
		c.At = d.Path()
	}
	c.Raw = append([]byte(nil), d.Bytes(dialect.Span{Start: start, End: d.Pos()})...)
	return c
}

// medium reads an image, a document, a video or an audio.
func (d decoder) medium(kind string) *conversation.Medium {
	m := &conversation.Medium{}
	d.Each(kind, func(k string) {
		switch k {
		case "format":
			m.Format = d.Str(k)
		case "name":
			m.Name = d.Str(k)
		case "context":
			m.Context = d.Str(k)
		case "citations":
			d.Each(k, func(k string) {
				if k == "enabled" {
					v := d.Flag(k)
					m.Cited = v != nil && *v
				} else {
					d.Leave()
				}
			})
		case "source":
			d.Each(k, func(k string) {
				switch k {
				case "bytes":
					m.Data = d.Str(k)
				case "text":
					m.Data, m.Text = d.Str(k), true
				case "s3Location":
					d.Each(k, func(k string) {
						if k == "uri" {
							m.URL = d.Str(k)
							return
						}
						d.Leave()
					})
				case "content":
					m.Text = true
					var words []string
					d.Items(k, func(int) {
						d.Each(k, func(k string) {
							if k == "text" {
								words = append(words, d.Str(k))
								return
							}
							d.Leave()
						})
					})
					m.Data = strings.Join(words, "")
				default:
					d.Leave()
				}
			})
		default:
			d.Leave()
		}
	})
	m.Type = typeOf(kind, m.Format)
	if kind != "audio" {
		m.Format = ""
	}
	return m
}
