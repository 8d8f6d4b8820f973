package responses

import (
	"net/url"
	"slices"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

// stored returns what a request for a stored response asks for, or false. The ends of the paths are responses/ID,
// responses/ID/cancel and responses/ID/input_items.
func stored(method, path, query string) (dialect.Endpoint, bool) {
	parts := strings.Split(path, "/")
	n := len(parts)
	e := dialect.Endpoint{Op: llm.OpResponses}
	switch {
	case n > 1 && parts[n-2] == "responses" && (method == "GET" || method == "DELETE"):
		e.Item = parts[n-1]
	case n > 2 && parts[n-3] == "responses" && (method == "POST" && parts[n-1] == "cancel" || method == "GET" && parts[n-1] == "input_items"):
		e.Item, e.Act = parts[n-2], parts[n-1]
	}
	if !openai.Identifier(e.Item) || e.Item == "input_tokens" || e.Item == "compact" {
		return dialect.Endpoint{}, false
	}
	if method == "GET" {
		wishes(query, &e)
	}
	return e, true
}

// wishes reads the query of a request for a stored response: what of it is known goes to the vendor.
func wishes(query string, e *dialect.Endpoint) {
	asked, err := url.ParseQuery(query)
	if err != nil {
		return // a page or an answer as the vendor gives it unasked
	}
	known := []string{"include", "stream", "starting_after", "include_obfuscation"}
	if e.Act != "" {
		known = []string{"include", "limit", "order", "after"}
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
