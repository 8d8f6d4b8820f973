package openai

import (
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	usePrompt = iota
	useCompletion
	useTotal
	usePromptDetails
	useCompletionDetails
	useCached
	useHit
	useNumCached
	useCacheRead
	useCacheWrite
	useInput
	useOutput
	useReasoning
	useInputDetails // of realtime sessions, as the next
	useOutputDetails
)

const (
	detailCached = iota
	detailWritten
	detailAudio
	detailReasoning
)

var (
	usageKeys = dialect.NewKeys("prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details",
		"cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cache_read_input_tokens", "cache_creation_input_tokens",
		"input_tokens", "output_tokens", "reasoning_tokens", "input_token_details", "output_token_details")
	usageDetailKeys = dialect.NewKeys("cached_tokens", "cache_write_tokens", "audio_tokens", "reasoning_tokens")
)

// counts are the numbers of one usage object.
type counts struct {
	prompt, completion, total int64
	cached, written           int64
	audio                     int64 // of the prompt
	reasoning                 int64
	any                       bool
}

// readUsage reads a usage object; null and an object without a count leave what was read before.
func (a *answerReader) readUsage() {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	var c counts
	start := a.Pos()
	o := a.Object(usageKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			break
		}
		switch key {
		case usePromptDetails, useCompletionDetails, useInputDetails, useOutputDetails:
			a.usageDetails(&c, key == usePromptDetails || key == useInputDetails)
			continue
		case -1:
			a.Skip()
			continue
		}
		n, ok := a.Int()
		if !ok {
			a.Skip()
			continue
		}
		n, c.any = dialect.ClampCount(n), true
		switch key {
		case usePrompt, useInput:
			c.prompt = max(c.prompt, n)
		case useCompletion, useOutput:
			c.completion = max(c.completion, n)
		case useTotal:
			c.total = n
		case useCached, useHit, useNumCached, useCacheRead:
			c.cached = max(c.cached, n)
		case useCacheWrite:
			c.written = max(c.written, n)
		case useReasoning:
			c.reasoning = max(c.reasoning, n)
		}
	}
	if c.any && a.Err() == nil {
		raw := a.Bytes(dialect.Span{Start: start, End: a.Pos()})
		a.usage = c.usage(raw)
	}
}

func (a *answerReader) usageDetails(c *counts, prompt bool) {
	if a.Type() != dialect.TypeObject {
		a.Skip()
		return
	}
	o := a.Object(usageDetailKeys)
	for {
		key, ok := a.Next(&o)
		if !ok {
			return
		}
		if key < 0 {
			a.Skip()
			continue
		}
		n, ok := a.Int()
		if !ok {
			a.Skip()
			continue
		}
		switch n = dialect.ClampCount(n); {
		case key == detailReasoning:
			c.reasoning = max(c.reasoning, n)
		case !prompt:
		case key == detailCached:
			c.cached = max(c.cached, n)
		case key == detailWritten:
			c.written = max(c.written, n)
		case key == detailAudio:
			c.audio = n
		}
	}
}

// usage normalises the counts. Vendors differ in what the parts contain, the total tells most of it:
// xAI leaves reasoning out of the completion, Mistral audio out of the prompt, Google's OpenAI form
// its thoughts out of both. Vercel leaves reasoning out of everything, which shows where there is
// more of it than of the completion. Azure reports more cached tokens for Grok than the prompt has.
func (c *counts) usage(raw []byte) *llm.Usage {
	in, out := c.prompt, c.completion
	switch rest := c.total - in - out; {
	case rest <= 0:
		if c.reasoning > out {
			out += c.reasoning
		}
	case in == 0 && out == 0:
		in = c.total // embeddings of a vendor that tells the total only
	case rest == c.audio && rest != c.reasoning:
		in += rest
	default:
		out += rest
	}
	read := min(c.cached, in)
	return &llm.Usage{
		InputTotal:   in,
		CacheRead:    read,
		CacheWrite5m: min(c.written, in-read),
		OutputTotal:  out,
		Reasoning:    min(c.reasoning, out),
		Raw:          append([]byte(nil), raw...),
	}
}
