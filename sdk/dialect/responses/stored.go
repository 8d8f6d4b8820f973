package responses

import (
	"net/url"
	"slices"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

// stored returns what a request for what a vendor keeps asks for, or false. The ends of the paths are responses/ID,
// responses/ID/cancel and responses/ID/input_items; conversations, conversations/ID, conversations/ID/items and
// conversations/ID/items/ID; containers, containers/ID, containers/ID/files, containers/ID/files/ID and that's content.
func stored(method, path, query string, h llm.Header) (dialect.Endpoint, bool) {
	if !strings.Contains(path, "responses") && !strings.Contains(path, "/con") {
		return dialect.Endpoint{}, false // as most paths: those of others cost nothing
	}
	parts := strings.Split(path, "/")
	at := len(parts) - 1
	var known func(method string, below []string) bool
	e := dialect.Endpoint{}
	for ; at >= 0 && known == nil; at-- {
		switch parts[at] {
		case "responses":
			e.Op, known = llm.OpResponses, ofResponses
		case "conversations":
			e.Op, known = llm.OpConversations, ofConversations
		case "containers":
			e.Op, known = llm.OpContainers, ofContainers
		}
	}
	if known == nil {
		return dialect.Endpoint{}, false
	}
	below := parts[at+2:]
	if !known(method, below) || slices.ContainsFunc(below, func(part string) bool { return !openai.Identifier(part) }) {
		return dialect.Endpoint{}, false
	}
	if len(below) > 0 {
		e.Item, e.Act = below[0], strings.Join(below[1:], "/")
	}
	if e.Op == llm.OpContainers && method == "POST" && e.Act != "" {
		e.Boundary = dialect.Boundary(h)
	}
	wishes(method, query, &e)
	return e, true
}

// ofResponses reports whether a stored response is asked for so, by what stands below the responses of a path.
func ofResponses(method string, below []string) bool {
	switch len(below) {
	case 1:
		return (method == "GET" || method == "DELETE") && below[0] != "input_tokens" && below[0] != "compact"
	case 2:
		return method == "POST" && below[1] == "cancel" || method == "GET" && below[1] == "input_items"
	}
	return false
}

// ofConversations is ofResponses for conversations.
func ofConversations(method string, below []string) bool {
	switch {
	case len(below) == 0:
		return method == "POST"
	case len(below) == 1:
		return method == "GET" || method == "POST" || method == "DELETE"
	case below[1] != "items":
		return false
	case len(below) == 2:
		return method == "GET" || method == "POST"
	}
	return len(below) == 3 && (method == "GET" || method == "DELETE")
}

// ofContainers is ofResponses for containers.
func ofContainers(method string, below []string) bool {
	switch {
	case len(below) == 0:
		return method == "GET" || method == "POST"
	case len(below) == 1:
		return method == "GET" || method == "DELETE"
	case below[1] != "files":
		return false
	case len(below) == 2:
		return method == "GET" || method == "POST"
	case len(below) == 3:
		return method == "GET" || method == "DELETE"
	}
	return len(below) == 4 && below[3] == "content" && method == "GET"
}

// wishes reads the query of a request for what a vendor keeps: what of it is known goes to the vendor.
func wishes(method, query string, e *dialect.Endpoint) {
	known := []string{"include"}
	switch {
	case method == "GET" && e.Op == llm.OpResponses && e.Act == "":
		known = []string{"include", "stream", "starting_after", "include_obfuscation"}
	case method == "GET" && e.Act != "":
		known = []string{"include", "limit", "order", "after"}
	}
	asked, err := url.ParseQuery(query)
	if err != nil {
		return // a page or an answer as the vendor gives it unasked
	}
	passed := url.Values{}
	for name, values := range asked {
		plain, list, _ := strings.Cut(name, "[") // include, include[] or include[0], as SDKs write lists
		switch {
		case !slices.Contains(known, plain) || plain != "include" && list != "":
		case plain == "include":
			passed[name] = values
			if slices.Contains(values, logprobs) {
				e.Unseen = "logprobs"
			}
		default:
			passed.Set(name, values[0]) // of two, one reader takes the first and another the last
		}
	}
	e.Stream, e.Query = passed.Get("stream") == "true", passed.Encode()
}
