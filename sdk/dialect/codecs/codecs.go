// Package codecs lists the dialects there are, for whoever serves all of them. A package that speaks
// one dialect imports that one.
package codecs

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/anthropic"
	"github.com/ginnel/ginnel/sdk/dialect/bedrock"
	"github.com/ginnel/ginnel/sdk/dialect/cohere"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/gemini"
	"github.com/ginnel/ginnel/sdk/dialect/mistral"
	"github.com/ginnel/ginnel/sdk/dialect/ollama"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/dialect/responses"
	"github.com/ginnel/ginnel/sdk/llm"
)

// All returns the codecs in the order in which they are asked whether a request is theirs: those with
// the narrower endpoints first, and last the one whose errors answer what nobody knows.
func All() []dialect.Codec {
	return []dialect.Codec{
		gemini.Codec{},
		anthropic.Codec{},
		responses.Codec{},
		cohere.Codec{},
		openai.Codec{},
	}
}

// Upstreams returns the dialects that providers speak and no client of the gateway does, in the order in
// which a call is translated to one where the provider has several.
func Upstreams() []dialect.Upstream {
	return []dialect.Upstream{
		bedrock.Codec{},
		mistral.Codec{},
		ollama.Codec{},
	}
}

// Of returns the codec of a dialect that clients speak, or nil.
func Of(name llm.Dialect) dialect.Codec {
	for _, c := range All() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// OfUpstream returns the codec of any dialect, or nil.
func OfUpstream(name llm.Dialect) dialect.Upstream {
	if c := Of(name); c != nil {
		return c
	}
	for _, c := range Upstreams() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// Translator returns the translation of a dialect that clients speak, or nil.
func Translator(name llm.Dialect) conversation.Codec {
	t, _ := Of(name).(conversation.Codec)
	return t
}

// UpstreamTranslator returns the translation of any dialect, or nil.
func UpstreamTranslator(name llm.Dialect) conversation.UpstreamCodec {
	t, _ := OfUpstream(name).(conversation.UpstreamCodec)
	return t
}
