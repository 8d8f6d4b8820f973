package dialect

import (
	"bytes"
	"slices"
	"strings"
)

// noModelCodes are the codes and types, in lower case, by which vendors and servers say that they have no such model: OpenAI
// and those like it, Azure, Groq, Mistral, Perplexity, Together.
var noModelCodes = []string{"model_not_found", "deploymentnotfound", "unknown_model", "invalid_model", "model_not_available", "model_decommissioned"}

// noModel is how a message of those begins that have no code for it, in lower case and without quotation marks; % is the
// model's name, and what ends with it ends a word. DeepSeek, xAI, Fireworks and Bedrock, Azure, Z.ai do not say which; OpenAI
// and those like it, Cerebras, Ollama and Cohere, Anthropic, Google, Vertex AI, Mistral and Perplexity, OpenRouter, Moonshot, Together do.
var noModel = []string{
	"model not exist", "model not found", "the provided model identifier is invalid", "this model version has reached the end of its life",
	"the api deployment for this resource does not exist", "unknown model, please check the model code",
	"the model % does not exist", "the requested model % does not exist", "model % does not exist", "model % not found", "model: %",
	"models/% is not found", "publisher model *models/% was not found", "invalid model: %", "invalid model %",
	"no endpoints found for %", "% is not a valid model id", "not found the model %", "unable to access model %",
}

const maxNoModel = 16 << 10 // of an error's body is looked at

// NoModel reports whether an upstream's error says that it has no model of a name, by which it was asked for. What else may
// be missing, the request has named. The body is JSON, or the message alone.
func NoModel(status int, body []byte, model string) bool {
	if status != 400 && status != 404 && status != 410 && status != 422 || len(body) > maxNoModel {
		return false
	}
	var f Fault
	f.readBody(body)
	if f.param != "" && f.param != "model" {
		return false
	}
	for _, word := range []string{f.label, f.kind} {
		if slices.Contains(noModelCodes, strings.ToLower(word)) {
			return true
		}
	}
	return saysNoModel(f.text, model)
}

func saysNoModel(message, model string) bool {
	message, model = unquoted(message), unquoted(model)
	for _, phrase := range noModel {
		named := strings.HasSuffix(phrase, "%")
		before, after, gap := strings.Cut(strings.ReplaceAll(phrase, "%", model), "*")
		rest, ok := strings.CutPrefix(message, before)
		if gap && ok {
			_, rest, ok = strings.Cut(rest, after)
		}
		if ok && (!named || rest == "" || rest == "." || strings.ContainsAny(rest[:1], " ,;") || strings.HasPrefix(rest, ". ")) {
			return true
		}
	}
	return false
}

// unquoted returns a text in lower case and without quotation marks.
func unquoted(text string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune("`'\"", c) {
			return -1
		}
		return c
	}, strings.ToLower(strings.TrimSpace(text)))
}

// readBody reads the body of a failed answer: an error, alone or in a list, or a text.
func (f *Fault) readBody(body []byte) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 || body[0] != '{' && body[0] != '[' {
		f.text = string(body)
		return
	}
	r := NewReader(body)
	if r.Type() == TypeArray {
		r.Array()
		if n := 0; !r.Item(&n) {
			return
		}
	}
	if r.Type() != TypeObject {
		return
	}
	for o := r.Object(nil); ; {
		if _, ok := r.Next(&o); !ok {
			return
		}
		switch string(r.Bytes(o.Key)) {
		case "error":
			f.Read(&r)
		case "message", "Message", "detail":
			f.message(&r)
		case "code":
			f.Code(&r)
		case "type", "error_type":
			f.Type(word(&r))
		case "param":
			f.param = word(&r)
		default:
			r.Skip()
		}
	}
}
