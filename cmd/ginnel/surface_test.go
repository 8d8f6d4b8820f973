package main

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ginnel/ginnel/sdk/sdktest/grammar"
)

// surface is a dialect as an operator declares it and as its clients call it.
type surface struct {
	plugin string   // of the provider
	base   string   // what stands behind an upstream's address in base_url
	header []string // of every request, names and values
}

var (
	openAI       = surface{plugin: "openai", base: "/v1"}
	anthropicAPI = surface{plugin: "anthropic", base: "/v1", header: []string{"anthropic-version", "2023-06-01"}}
)

// api is a surface with how its clients ask for an answer and what they may expect of it.
type api struct {
	surface
	path  func(model string, stream bool) string
	ask   func(model, text string, stream bool) string
	check func(t *testing.T, payload, code, id string) // holds an error to the dialect's shape
	// read holds a stream to its grammar and reports whether it ends with an error.
	read func(stream string) (failed bool, err error)
}

// apis are the surfaces for a conversation.
var apis = map[string]api{
	"openai":    {openAI, at("/v1/chat/completions"), ask, checkError, readChat},
	"responses": {openAI, at("/v1/responses"), askResponses, checkResponsesError, readResponses},
	"anthropic": {anthropicAPI, at("/v1/messages"), askMessages, checkMessagesError, readMessages},
}

func at(path string) func(string, bool) string { return func(string, bool) string { return path } }

func readChat(stream string) (bool, error) { return lastData(stream) != "[DONE]", nil }

// askResponses is the body of a request for a response.
func askResponses(model, text string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"input":[{"role":"user","content":[{"type":"input_text","text":%q}]}],"stream":%t}`, model, text, stream)
}

func readResponses(stream string) (bool, error) {
	r, err := grammar.Responses([]byte(stream))
	return err == nil && r.Error != "", err
}

// checkResponsesError holds an error to OpenAI's shape, as a body or as the event that ends a stream.
func checkResponsesError(t *testing.T, payload, code, id string) {
	t.Helper()
	var e struct{ Type, Code, Message string }
	if err := json.Unmarshal([]byte(payload), &e); err != nil {
		t.Errorf("no JSON: %v: %s", err, payload)
	}
	if e.Type != "error" || code != "" {
		checkError(t, payload, code, id)
	}
	if e.Type == "error" && (e.Message == "" || code != "" && e.Code != code) {
		t.Errorf("no error event of OpenAI's: %s", payload)
	}
}

// askMessages is the body of a request for a message.
func askMessages(model, text string, stream bool) string {
	return fmt.Sprintf(`{"model":%q,"max_tokens":100,"messages":[{"role":"user","content":[{"type":"text","text":%q}]}],"stream":%t}`, model, text, stream)
}

func readMessages(stream string) (bool, error) {
	m, err := grammar.Anthropic([]byte(stream))
	return err == nil && m.Error != "", err
}

// checkMessagesError holds an error to Anthropic's shape.
func checkMessagesError(t *testing.T, payload, code, id string) {
	t.Helper()
	var e struct {
		Type  string
		Error struct {
			Type, Message string
			Details       struct {
				Code string `json:"error_code"`
			}
		}
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal([]byte(payload), &e); err != nil || e.Type != "error" || e.Error.Message == "" || e.Error.Type == "" {
		t.Errorf("no error of Anthropic's: %v: %s", err, payload)
	}
	if code != "" && (e.Error.Details.Code != code || e.RequestID != id) {
		t.Errorf("code %q, request %q, not %q, %q", e.Error.Details.Code, e.RequestID, code, id)
	}
}
