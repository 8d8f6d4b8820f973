package openai

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// PurposeBatch is that of a file whose lines are calls.
const PurposeBatch = "batch"

// kept returns what a request for files or batches asks for, or false. The ends of their paths are
// files, files/ID, files/ID/content, batches, batches/ID and batches/ID/cancel.
func kept(method, path string, h llm.Header) (dialect.Endpoint, bool) {
	others := strings.Contains(path, "/containers/") || strings.Contains(path, "/vector_stores/") || h.Count("anthropic-version") > 0 // have files of their own
	if others || !strings.Contains(path, "/files") && !strings.Contains(path, "/batches") {
		return dialect.Endpoint{}, false
	}
	parts := strings.Split(path, "/")
	n := len(parts)
	at := func(i int) llm.Op {
		if n <= i {
			return ""
		}
		switch parts[n-1-i] {
		case "files":
			return llm.OpFiles
		case "batches":
			return llm.OpBatches
		}
		return ""
	}
	switch last := parts[n-1]; {
	case at(0) != "" && (method == "GET" || method == "POST"):
		e := dialect.Endpoint{Op: at(0)}
		if e.Op == llm.OpFiles && method == "POST" {
			e.Boundary = dialect.Boundary(h)
		}
		return e, true
	case at(1) != "" && Identifier(last) && (method == "GET" || method == "DELETE" && at(1) == llm.OpFiles):
		return dialect.Endpoint{Op: at(1), Item: last}, true
	case at(2) == llm.OpFiles && last == "content" && method == "GET", at(2) == llm.OpBatches && last == "cancel" && method == "POST":
		if id := parts[n-2]; Identifier(id) {
			return dialect.Endpoint{Op: at(2), Item: id, Act: last}, true
		}
	}
	return dialect.Endpoint{}, false
}

// longestID bounds an id, in bytes.
const longestID = 512

// Identifier reports whether a part of a path can be an id.
func Identifier(s string) bool {
	if s == "" || len(s) > longestID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}
