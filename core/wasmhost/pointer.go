package wasmhost

import (
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter"
)

// findJSON returns where the value that an RFC 6901 pointer names stands in a JSON text.
func findJSON(raw, pointer []byte) (exchange.Span, bool) {
	v, err := filter.Parse(raw)
	if err != nil || len(pointer) > 0 && pointer[0] != '/' {
		return exchange.Span{}, false
	}
	for rest := string(pointer); rest != ""; {
		var token string
		token, rest, _ = strings.Cut(rest[1:], "/")
		if rest != "" {
			rest = "/" + rest
		}
		if v = child(v, unescapePointer(token)); v.Raw() == nil {
			return exchange.Span{}, false
		}
	}
	start := cap(raw) - cap(v.Raw()) // a value shares the text's bytes
	return exchange.Span{Start: start, End: start + len(v.Raw())}, true
}

// child returns a member or an item.
func child(v filter.Value, token string) filter.Value {
	if raw := v.Raw(); len(raw) == 0 || raw[0] != '[' {
		return v.Get(token)
	}
	n, err := strconv.Atoi(token)
	var found filter.Value
	i := 0
	v.Items(func(item filter.Value) bool {
		if err == nil && i == n {
			found = item
		}
		i++
		return found.Raw() == nil
	})
	return found
}

func unescapePointer(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
}

// owned reports whether a pointer names something that the gateway itself has read or that its
// texts stand in: a filter changes texts by text_set, and nothing else there.
func owned(pointer []byte) bool {
	head, _, _ := strings.Cut(strings.TrimPrefix(string(pointer), "/"), "/")
	switch unescapePointer(head) {
	case "", "model", "stream", "stream_options", "messages", "system", "input", "contents", "tools", "functions", "instructions",
		"prompt", "systemInstruction", "system_instruction", "usage", "error", "choices", "content", "candidates", "output",
		"max_tokens", "max_completion_tokens", "n", "metadata", "user":
		return true
	}
	return false
}
