package filtertest

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

// request is a request section, read.
type request struct {
	method, path, query string
	header              llm.Header
	body                []byte
}

// request reads the case's request.
func (c *Case) request() (*request, error) {
	s, _ := c.section(secRequest)
	first, rest, _ := strings.Cut(s.text, "\n")
	method, target, ok := strings.Cut(strings.TrimSpace(first), " ")
	if !ok || !strings.HasPrefix(target, "/") {
		return nil, c.errorf(s.line+1, "%q does not begin a request: write a method and a path, such as POST /v1/chat/completions", first)
	}
	r := &request{method: method}
	r.path, r.query, _ = strings.Cut(target, "?")
	header, body, err := c.message(s.line+2, rest)
	r.header, r.body = header, body
	return r, err
}

// reply is what the provider, or whoever a filter calls, answers.
type reply struct {
	status int
	header llm.Header
	body   []byte
}

// reply reads a section that holds an answer. Without a head it is a body with status 200.
func (c *Case) reply(s section, contentType string) (*reply, error) {
	r := &reply{status: 200}
	first, rest, _ := strings.Cut(s.text, "\n")
	if n, err := strconv.Atoi(strings.TrimSpace(first)); err == nil && n >= 100 && n <= 599 {
		header, body, err := c.message(s.line+2, rest)
		if err != nil {
			return nil, err
		}
		r.status, r.header, r.body = n, header, body
	} else {
		r.body = []byte(s.text)
	}
	if r.header.Get("content-type") == "" {
		r.header.Set("Content-Type", contentType)
	}
	return r, nil
}

// message reads header fields up to a blank line, and a body. line is the number of the first.
func (c *Case) message(line int, text string) (h llm.Header, body []byte, err error) {
	for text != "" {
		var field string
		field, text, _ = strings.Cut(text, "\n")
		if strings.TrimSpace(field) == "" {
			return h, []byte(text), nil
		}
		name, value, ok := strings.Cut(field, ":")
		if !ok || strings.ContainsAny(name, " \t\"{") || name == "" {
			return nil, nil, c.errorf(line, "%q is no header field; a blank line stands before the body", field)
		}
		h.Add(name, strings.TrimSpace(value))
		line++
	}
	return h, nil, nil
}

// client is who asks.
type client struct{ tenant, key, remote string }

func (c *Case) client() (client, error) {
	who := client{remote: "192.0.2.1"}
	s, ok := c.section(secClient)
	if !ok {
		return who, nil
	}
	for i, line := range strings.Split(s.text, "\n") {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(name) {
		case "":
		case "tenant":
			who.tenant = value
		case "key":
			who.key = value
		case "remote":
			who.remote = value
		default:
			return who, c.errorf(s.line+1+i, "a client has no %q; it has tenant, key and remote", name)
		}
	}
	return who, nil
}

// deltas reads the model's words.
func (c *Case) deltas() ([]string, error) {
	s, ok := c.section(secAnswer)
	if !ok {
		return []string{"ok"}, nil
	}
	var out []string
	for i, line := range strings.Split(s.text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		var word string
		if err := json.Unmarshal([]byte(line), &word); err != nil {
			return nil, c.errorf(s.line+1+i, "%s is no JSON string; an answer is one for each delta", line)
		}
		out = append(out, word)
	}
	return out, nil
}

// quote writes a JSON string that a person can read.
func quote(s string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.Encode(s) // strings always can
	return strings.TrimSuffix(b.String(), "\n")
}
