package responses

import (
	"net/url"
	"strings"
	"testing"
)

// TestQueries: what is known of a query goes to the vendor, once, and nothing else does.
func TestQueries(t *testing.T) {
	for _, c := range []struct {
		path, query, want string
		stream            bool
		unseen            string
	}{
		{"resp_1", "", "", false, ""},
		{"resp_1", "stream=true&starting_after=7&include_obfuscation=false", "include_obfuscation=false&starting_after=7&stream=true", true, ""},
		{"resp_1", "include=a&include=b&include[]=c&include%5B0%5D=d", "include=a&include=b&include%5B0%5D=d&include%5B%5D=c", false, ""},
		{"resp_1", "include[]=message.output_text.logprobs", "include%5B%5D=message.output_text.logprobs", false, "logprobs"},
		{"resp_1", "stream=false&stream=true&stream[]=true&limit=1&api-version=x", "stream=false", false, ""},
		{"resp_1", "stream=true;x", "", false, ""},
		{"resp_1/input_items", "limit=2&order=asc&after=msg_1&stream=true&include=a", "after=msg_1&include=a&limit=2&order=asc", false, ""},
	} {
		e, ok := Codec{}.Endpoint("GET", "/v1/responses/"+c.path, c.query, nil)
		if !ok || e.Query != c.want || e.Stream != c.stream || e.Unseen != c.unseen {
			t.Errorf("%s?%s: %+v", c.path, c.query, e)
		}
	}
	if e, ok := (Codec{}).Endpoint("DELETE", "/v1/responses/resp_1", "stream=true", nil); !ok || e.Query != "" || e.Stream {
		t.Errorf("%+v", e)
	}
}

// FuzzEndpoint: what goes to the vendor of a path and a query cannot be read in another way there.
func FuzzEndpoint(f *testing.F) {
	f.Add("GET", "/v1/responses/resp_1", "stream=true&include[]=a")
	f.Add("GET", "/v1/responses/resp_1/input_items", "limit=2&after=%00")
	f.Add("POST", "/v1/responses/resp_1/cancel", "")
	f.Add("GET", "/v1/containers/cntr_1/files/cfile_1/content", "limit=1")
	f.Add("DELETE", "/v1/conversations/conv_1/items/msg_1", "include=a")
	f.Fuzz(func(t *testing.T, method, path, query string) {
		e, ok := Codec{}.Endpoint(method, path, query, nil)
		if !ok || e.Item == "" {
			return
		}
		rest := "/" + e.Item + "/" + e.Act
		if strings.Trim(rest, "/") == "" || strings.Contains(e.Act, "..") {
			t.Errorf("%q: %+v", path, e)
		}
		u, err := url.ParseRequestURI("/v1/responses" + rest + "?" + e.Query)
		if err != nil || u.Path != "/v1/responses"+rest || u.Fragment != "" {
			t.Errorf("%q, %q: %+v, %v", path, query, e, err)
		}
		if asked := u.Query(); len(asked["stream"]) > 1 || e.Stream != (asked.Get("stream") == "true") {
			t.Errorf("%q: %+v", query, e)
		}
	})
}
