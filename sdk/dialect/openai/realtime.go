package openai

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// realtime returns what a WebSocket is asked for. The model stands in the query; the rest of that goes on.
func realtime(query string) dialect.Endpoint {
	e := dialect.Endpoint{Op: llm.OpRealtime}
	var rest []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "model":
			if s, err := url.QueryUnescape(value); err == nil && e.Model == "" {
				e.Model = s
			}
		case "", "key":
		default:
			rest = append(rest, part)
		}
	}
	e.Query = strings.Join(rest, "&")
	return e
}

var responseDone = []byte(`"response.done"`)

// message reads what the gateway wants of a message of the upstream's: what a response used.
func message(payload []byte, into *dialect.Event) error {
	if !bytes.Contains(payload, responseDone) {
		return nil
	}
	var m struct {
		Type     string `json:"type"`
		Response struct {
			Status string `json:"status"`
			Usage  *struct {
				Input   int64 `json:"input_tokens"`
				Output  int64 `json:"output_tokens"`
				Details struct {
					Cached int64 `json:"cached_tokens"`
				} `json:"input_token_details"`
			} `json:"usage"`
		} `json:"response"`
	}
	if err := json.Unmarshal(payload, &m); err != nil {
		return &llm.Error{Code: llm.CodeInvalid, Message: "a message is not valid JSON"}
	}
	if m.Type != "response.done" {
		return nil
	}
	into.Finish = m.Response.Status
	if u := m.Response.Usage; u != nil {
		into.Usage = &llm.Usage{InputTotal: u.Input, OutputTotal: u.Output, CacheRead: u.Details.Cached}
	}
	return nil
}
