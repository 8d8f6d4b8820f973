package dialect

import "bytes"

// overlong is what vendors and servers say to a request that is longer than the model's context window, in
// lower case: OpenAI, Azure and those like it, Anthropic, Google, Bedrock, Cohere, Perplexity, llama.cpp, Ollama, vLLM, xAI.
var overlong = [][]byte{
	[]byte("context_length_exceeded"), []byte("maximum context length"), []byte("prompt is too long"),
	[]byte("exceed context limit"), []byte("exceeds the maximum number of tokens"), []byte("input is too long"),
	[]byte("too many tokens"), []byte("too_many_tokens"), []byte("exceed_context_size_error"),
	[]byte("exceeds the available context size"), []byte("exceeds the context window"), []byte("maximum model length"),
	[]byte("prompt too long"), []byte("too_many_prompt_tokens"), []byte("reduce the length of the messages"), []byte("maximum prompt length"),
}

const maxOverlong = 16 << 10 // of an error's body is looked at

// Overlong reports whether an upstream's error says that the request is longer than its model can read. Only
// words say so: the status is 400 with most, 413 or 422 with some, for any other mistake too.
func Overlong(status int, body []byte) bool {
	if status != 400 && status != 413 && status != 422 {
		return false
	}
	return says(body[:min(len(body), maxOverlong)], overlong)
}

// says reports whether one of the words, which are in lower case, stands in a text.
func says(text []byte, words [][]byte) bool {
	lower := bytes.ToLower(text)
	for _, w := range words {
		if bytes.Contains(lower, w) {
			return true
		}
	}
	return false
}
