package server_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ginnel/ginnel/core/server"
)

// row is one line of the corpus of framing tricks.
type row struct {
	ID, Label, Category, Desc string
	Raw                       []byte `json:"raw_b64"`
}

// refusedValid are rows that a strict parser may accept and this server refuses on purpose, by
// what makes it refuse them; the number says how many requests before the refused one are served.
var refusedValid = []struct {
	why  string
	hit  func(raw string) bool
	okay int
}{
	{"no Host, which no client of this API leaves out", func(r string) bool { return !strings.Contains(r, "Host:") }, 0},
	{"a method that no model API has", func(r string) bool {
		m, _, _ := strings.Cut(r, " ")
		return !strings.Contains(" GET HEAD POST PUT PATCH DELETE OPTIONS ", " "+m+" ")
	}, 0},
	{"a protocol that is not HTTP", func(r string) bool { return strings.Contains(r, " RTSP/") || strings.Contains(r, " ICE/") }, 0},
	{"a fragment, which belongs to the client", func(r string) bool { return strings.Contains(firstLine(r), "#") }, 0},
	{"an absolute target whose authority differs from Host", func(r string) bool { return strings.Contains(firstLine(r), " http://") }, 0},
	{"a transfer coding besides chunked", func(r string) bool { return strings.Contains(r, "deflate") }, 0},
	{"a body on GET", func(r string) bool { return strings.HasPrefix(r, "GET ") && strings.Contains(r, "conTENT-Length") }, 0},
	{"the body never comes", func(r string) bool {
		return strings.Contains(r, "Content-Length:\t42") || strings.Contains(r, "Content-Length: 100\r") || strings.Contains(r, "Content-Length: 123") ||
			strings.HasSuffix(r, "chunked\r\n\r\n\r\n")
	}, 0},
	{"a WebSocket's handshake of another version", func(r string) bool {
		return strings.HasPrefix(r, "GET /demo ") && strings.Contains(r, "Upgrade: WebSocket")
	}, 0},
	{"what follows an upgrade that was not granted", func(r string) bool { return strings.Contains(r, "Hot diggity dogg") }, 1},
	{"the second request has no Host", func(r string) bool { return strings.Contains(r, "PUT /bbb") }, 1},
}

func firstLine(raw string) string {
	line, _, _ := strings.Cut(raw, "\r\n")
	return line
}

func corpus(t *testing.T) (rows []row) {
	t.Helper()
	root := os.Getenv("GINNEL_CORPUS")
	if root == "" {
		root = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	f, err := os.Open(filepath.Join(root, "security", "desync.jsonl"))
	if err != nil {
		t.Skipf("the corpus of framing tricks is not here: %v", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r struct {
			row
			B64 string `json:"raw_b64"`
		}
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if r.Raw, err = base64.StdEncoding.DecodeString(r.B64); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r.row)
	}
	return rows
}

// talk sends raw, ends its side and returns the statuses of the answers.
func talk(t *testing.T, s *server.Server, raw string, pieces int) (statuses []int, closed bool) {
	t.Helper()
	c := dial(t, s)
	for step := max(len(raw)/pieces, 1); raw != ""; {
		n := min(step, len(raw))
		if _, err := io.WriteString(c, raw[:n]); err != nil {
			break // it was refused before it was complete
		}
		raw = raw[n:]
	}
	c.CloseWrite()
	br := bufio.NewReader(c)
	for {
		r, err := http.ReadResponse(br, nil)
		if err != nil {
			ne, timeout := err.(net.Error)
			return statuses, !(timeout && ne.Timeout())
		}
		io.Copy(io.Discard, r.Body)
		statuses = append(statuses, r.StatusCode)
	}
}

// TestDesyncCorpus drives every row against a live listener, whole and in small pieces.
func TestDesyncCorpus(t *testing.T) {
	noLeak(t)
	for _, r := range corpus(t) {
		raw := string(r.Raw)
		for _, pieces := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s/%d", r.ID, pieces), func(t *testing.T) {
				h := newHandler(nil)
				s := start(t, h, nil)
				statuses, closed := talk(t, s, raw, pieces)
				count, paths := h.seen()
				if !closed {
					t.Errorf("the connection stays open")
				}
				if r.Label == "invalid" {
					checkInvalid(t, raw, pieces, statuses, count)
				} else {
					checkValid(t, raw, statuses, count)
				}
				if t.Failed() {
					t.Logf("%s: %s\n%q\nstatuses %v, served %v", r.Category, r.Desc, raw, statuses, paths)
				}
			})
		}
	}
}

// checkInvalid wants a refusal and nothing served, but for a whole request in front of the illegal
// bytes that came before those could be seen.
func checkInvalid(t *testing.T, raw string, pieces int, statuses []int, count int) {
	t.Helper()
	before := 0
	if pieces > 1 && (strings.Contains(raw, "q=42") || strings.HasPrefix(raw, "PUT /url HTTP/1.0")) {
		before = 1 // it is legal, asks to be the last, and what follows is ignored
	}
	if count > before {
		t.Errorf("%d reached the handler, want at most %d", count, before)
	}
	if len(statuses) == 0 || statuses[len(statuses)-1] < 400 && count != before {
		t.Errorf("not refused: %v", statuses)
	}
}

func checkValid(t *testing.T, raw string, statuses []int, count int) {
	t.Helper()
	for _, known := range refusedValid {
		if known.hit(raw) {
			if count != known.okay || len(statuses) != known.okay+1 || statuses[known.okay] < 400 {
				t.Errorf("%s: want it refused after %d", known.why, known.okay)
			}
			return
		}
	}
	if count != 1 || len(statuses) < 1 || statuses[0] != 200 {
		t.Errorf("a valid request was not answered")
	}
}

// TestFramingIsRefused holds EDGE's list. Each request is followed by a second one, which must never
// be served.
func TestFramingIsRefused(t *testing.T) {
	noLeak(t)
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
	post := func(head, body string) string { return "POST / HTTP/1.1\r\nHost: a\r\n" + head + "\r\n" + body }
	for name, raw := range map[string]string{
		"bare LF in the request line":    "GET / HTTP/1.1\nHost: a\r\n\r\n",
		"bare LF in a field":             "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
		"bare LF at the end":             "GET / HTTP/1.1\r\nHost: a\r\n\n",
		"bare CR in a value":             "GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n",
		"NUL in a value":                 "GET / HTTP/1.1\r\nHost: a\r\nX: y\x00\r\n\r\n",
		"control character in a value":   "GET / HTTP/1.1\r\nHost: a\r\nX: longer than eight \x01 bytes\r\n\r\n",
		"DEL in a value":                 "GET / HTTP/1.1\r\nHost: a\r\nX: y\x7f\r\n\r\n",
		"folded field":                   "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
		"folded first field":             "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
		"obs-text in a name":             "GET / HTTP/1.1\r\nHost: a\r\nX\xff: y\r\n\r\n",
		"space in a name":                "GET / HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n",
		"space before the colon":         post("Content-Length : 2\r\n", "hi"),
		"tab before the colon":           post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"),
		"no colon":                       "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
		"empty name":                     "GET / HTTP/1.1\r\nHost: a\r\n: y\r\n\r\n",
		"underscore in a framing name":   post("Transfer_Encoding: chunked\r\nContent-Length: 0\r\n", ""),
		"underscore in a length":         post("Content_Length: 2\r\n", ""),
		"underscore in a forwarding one": "GET / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1\r\n\r\n",
		"CL and TE":                      post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
		"TE and CL":                      post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n"),
		"two CLs":                        post("Content-Length: 2\r\nContent-Length: 2\r\n", "hi"),
		"CL list":                        post("Content-Length: 2, 2\r\n", "hi"),
		"CL with a sign":                 post("Content-Length: +2\r\n", "hi"),
		"negative CL":                    post("Content-Length: -2\r\n", "hi"),
		"hexadecimal CL":                 post("Content-Length: 0x2\r\n", "hi"),
		"two TEs":                        post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
		"TE list":                        post("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"),
		"TE identity":                    post("Transfer-Encoding: identity\r\n", ""),
		"TE in another case":             post("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n"),
		"TE with a vertical tab":         post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
		"empty TE":                       post("Transfer-Encoding:\r\n", ""),
		"TE on 1.0":                      "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"version 0.9":                    "GET / HTTP/0.9\r\nHost: a\r\n\r\n",
		"version 2.0":                    "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
		"version 9.9":                    "GET / HTTP/9.9\r\nHost: a\r\n\r\n",
		"version in another case":        "GET / http/1.1\r\nHost: a\r\n\r\n",
		"no version":                     "GET /\r\nHost: a\r\n\r\n",
		"HTTP/2 preface":                 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"two spaces":                     "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
		"tab in the request line":        "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"no Host":                        "GET / HTTP/1.1\r\nX: a\r\n\r\n",
		"no Host on 1.0":                 "GET / HTTP/1.0\r\nX: a\r\n\r\n",
		"two Hosts":                      "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
		"empty Host":                     "GET / HTTP/1.1\r\nHost:\r\n\r\n",
		"Host with user":                 "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n",
		"Host with path":                 "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
		"Host with bad port":             "GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n",
		"Host list":                      "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
		"Host unlike the target":         "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"Host unlike the target's port":  "GET http://a:81/ HTTP/1.1\r\nHost: a:80\r\n\r\n",
		"target with user":               "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"target of another scheme":       "GET file://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
		"target without a slash":         "GET a HTTP/1.1\r\nHost: a\r\n\r\n",
		"dot segment":                    "GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n",
		"single dot segment":             "GET /a/./b HTTP/1.1\r\nHost: a\r\n\r\n",
		"dot segment at the end":         "GET /a/.. HTTP/1.1\r\nHost: a\r\n\r\n",
		"encoded dots":                   "GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n",
		"encoded slash":                  "GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n",
		"encoded backslash":              "GET /a%5cb HTTP/1.1\r\nHost: a\r\n\r\n",
		"encoded NUL":                    "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n",
		"encoded letter":                 "GET /v1/%6dodels HTTP/1.1\r\nHost: a\r\n\r\n",
		"broken encoding":                "GET /a%2 HTTP/1.1\r\nHost: a\r\n\r\n",
		"backslash":                      "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n",
		"two slashes":                    "GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n",
		"two slashes first":              "GET //a/b HTTP/1.1\r\nHost: a\r\n\r\n",
		"non-ASCII path":                 "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT":                        "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
		"TRACE":                          "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
		"lower-case method":              "get / HTTP/1.1\r\nHost: a\r\n\r\n",
		"body on GET":                    "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
		"chunked body on HEAD":           "HEAD / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"another expectation":            post("Expect: magic\r\nContent-Length: 2\r\n", "hi"),
		"chunk size with a space":        post("Transfer-Encoding: chunked\r\n", "2 \r\nhi\r\n0\r\n\r\n"),
		"chunk size with 0x":             post("Transfer-Encoding: chunked\r\n", "0x2\r\nhi\r\n0\r\n\r\n"),
		"chunk size with a sign":         post("Transfer-Encoding: chunked\r\n", "+2\r\nhi\r\n0\r\n\r\n"),
		"chunk size overflow":            post("Transfer-Encoding: chunked\r\n", "10000000000000002\r\nhi\r\n0\r\n\r\n"),
		"bare LF after a chunk size":     post("Transfer-Encoding: chunked\r\n", "2\nhi\r\n0\r\n\r\n"),
		"bare LF after a chunk":          post("Transfer-Encoding: chunked\r\n", "2\r\nhi\n0\r\n\r\n"),
		"bare LF in an extension":        post("Transfer-Encoding: chunked\r\n", "2;a\nb\r\nhi\r\n0\r\n\r\n"),
		"bare CR in an extension":        post("Transfer-Encoding: chunked\r\n", "2;a=\"\r\"\r\nhi\r\n0\r\n\r\n"),
		"chunk too long":                 post("Transfer-Encoding: chunked\r\n", "2\r\nhi!\r\n0\r\n\r\n"),
		"framing trailer":                post("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 5\r\n\r\n"),
		"host trailer":                   post("Transfer-Encoding: chunked\r\n", "0\r\nHost: b\r\n\r\n"),
		"authorization trailer":          post("Transfer-Encoding: chunked\r\n", "0\r\nAuthorization: b\r\n\r\n"),
		"folded trailer":                 post("Transfer-Encoding: chunked\r\n", "0\r\nA: b\r\n c\r\n\r\n"),
		"two empty lines first":          "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"bytes after a close":            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(nil)
			s := start(t, h, nil)
			statuses, closed := talk(t, s, raw+smuggled, 1)
			if n, paths := h.seen(); n != 0 {
				t.Errorf("reached the handler: %v", paths)
			}
			if len(statuses) != 1 || statuses[0] < 400 || statuses[0] >= 500 || !closed {
				t.Errorf("%q: answers %v, closed %v", raw, statuses, closed)
			}
			if got := s.Stats(); got.Refused != 1 {
				t.Errorf("stats %+v", got)
			}
		})
	}
}

func TestOddButLegal(t *testing.T) {
	post := func(head, body string) string { return "POST / HTTP/1.1\r\nHost: a\r\n" + head + "\r\n" + body }
	for name, raw := range map[string]string{
		"an empty line first":       "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
		"absolute target":           "GET http://A.example:80/x HTTP/1.1\r\nHost: a.example:80\r\n\r\n",
		"absolute without a path":   "GET https://a HTTP/1.1\r\nHost: a\r\n\r\n",
		"IPv6 host":                 "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
		"encoded space":             "GET /a%20b HTTP/1.1\r\nHost: a\r\n\r\n",
		"encoded letters of others": "GET /%C3%A9 HTTP/1.1\r\nHost: a\r\n\r\n",
		"obs-text in a value":       "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n",
		"tabs around a value":       post("Content-Length:\t2\t\r\n", "hi"),
		"length zero on GET":        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		"underscore elsewhere":      "GET / HTTP/1.1\r\nHost: a\r\nmy_header: 1\r\n\r\n",
		"chunks":                    post("Transfer-Encoding: chunked\r\n", "1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"),
		"chunk extensions":          post("Transfer-Encoding: chunked\r\n", "2;a;b=c;d=\"e \\\" f\"\r\nhi\r\n0;x\r\n\r\n"),
		"harmless trailer":          post("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", "2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n"),
		"1.0 with keep-alive":       "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
		"options of a path":         "OPTIONS /v1/models HTTP/1.1\r\nHost: a\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			h := newHandler(nil)
			s := start(t, h, nil)
			for _, pieces := range []int{1, 1 << 20} {
				if statuses, closed := talk(t, s, raw+"GET /next HTTP/1.1\r\nHost: a\r\n\r\n", pieces); len(statuses) != 2 || statuses[0] != 200 || statuses[1] != 200 || !closed {
					t.Errorf("%q: answers %v, closed %v", raw, statuses, closed)
				}
			}
		})
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	noLeak(t)
	h := newHandler(nil)
	s := start(t, h, nil)
	var raw strings.Builder
	const n = 50
	for i := range n {
		fmt.Fprintf(&raw, "POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /%d/get HTTP/1.1\r\nHost: a\r\n\r\n", i, i)
	}
	raw.WriteString("GET /last HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n")
	statuses, _ := talk(t, s, raw.String(), 3)
	count, paths := h.seen()
	if count != 2*n || len(statuses) != 2*n+1 || statuses[2*n] != 400 {
		t.Fatalf("%d served, answers %v", count, statuses)
	}
	for i := range n {
		if want := fmt.Sprintf("POST /%d", i); paths[2*i] != want {
			t.Errorf("request %d is %q, want %q", 2*i, paths[2*i], want)
		}
	}
	for end := time.Now().Add(patience); s.Stats().Connections > 0 && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
}
