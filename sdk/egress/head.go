package egress

import (
	"bytes"
	"strings"

	"github.com/ginnel/ginnel/sdk/llm"
)

const (
	maxInterim = 8  // 1xx answers before the real one
	someFields = 16 // an answer's usual number of fields has its place in the answer
)

// frame is how the end of a body is told.
type frame uint8

const (
	empty frame = iota
	byLength
	chunked
	untilClose
)

// head is what the transport itself wants of an answer's head.
type head struct {
	frame  frame
	length int64 // left to read, with byLength
	close  bool  // the connection serves no other call
	fields [someFields]llm.Field
}

// readHead reads heads until one is not interim.
func (c *conn) readHead(h *head, resp *Response, noBody bool) error {
	for n := 0; ; n++ {
		text, err := c.headText(n > 0)
		if err != nil {
			return err
		}
		if err := h.parse(text, resp, noBody); err != nil {
			return err
		}
		switch {
		case resp.Status >= 200:
			return nil
		case resp.Status == 101:
			return protocol("the answer switches protocols, which nobody asked for")
		case n == maxInterim:
			return protocol("too many interim answers")
		}
	}
}

// headText returns the next head without its empty line. The text is owned by whoever got it.
func (c *conn) headText(began bool) (string, error) {
	for from := 0; ; {
		have := c.buf[c.r:c.w]
		if end := bytes.Index(have[from:], []byte("\r\n\r\n")); end >= 0 && from+end <= MaxHead {
			text := string(have[:from+end+2])
			c.r += from + end + 4
			return text, nil
		}
		if len(have) > MaxHead {
			return "", protocol("the head of the answer is too large")
		}
		from = max(len(have)-3, 0)
		if err := c.fill(FirstByte, began || len(have) > 0); err != nil {
			return "", err
		}
	}
}

// parse reads a head (RFC 9112, sections 4 to 6). What different readers could take for different
// answers is refused.
func (h *head) parse(text string, resp *Response, noBody bool) error {
	line, text, _ := strings.Cut(text, "\r\n")
	old, ok := statusLine(line, &resp.Status)
	if !ok {
		return protocol("the answer does not begin with a status line")
	}
	h.length, h.close, h.frame = -1, old, empty
	resp.Header = h.fields[:0]
	connection, encoded := "", false
	for n := 0; text != ""; n++ {
		if line, text, _ = strings.Cut(text, "\r\n"); n == MaxFields {
			return protocol("the answer has too many fields")
		}
		colon := strings.IndexByte(line, ':')
		if colon < 1 || !token(line[:colon]) || !fieldValue(line[colon:]) {
			return protocol("a field of the answer is malformed")
		}
		f := llm.Field{Name: line[:colon], Value: trim(line[colon+1:])}
		switch {
		case !ownField(f.Name):
			resp.Header = append(resp.Header, f)
		case llm.EqualFold(f.Name, "connection") && connection == "":
			connection = f.Value
		case llm.EqualFold(f.Name, "connection"):
			connection += "," + f.Value
		case llm.EqualFold(f.Name, "content-length"):
			if h.length >= 0 || !parseLength(f.Value, &h.length) {
				return protocol("the length of the answer is not one number")
			}
		case llm.EqualFold(f.Name, "transfer-encoding"):
			if encoded || old || !llm.EqualFold(f.Value, "chunked") {
				return protocol("the transfer encoding is not just chunked")
			}
			encoded = true
		}
	}
	if encoded && h.length >= 0 {
		return protocol("the answer has a length and a transfer encoding")
	}
	h.connection(connection, old, resp)
	h.decide(resp, encoded, noBody)
	return nil
}

// connection obeys the Connection fields: how the connection goes on and which fields end here.
func (h *head) connection(value string, old bool, resp *Response) {
	if value == "" {
		return
	}
	h.close = listed(value, "close") || old && !listed(value, "keep-alive")
	if llm.EqualFold(value, "keep-alive") || llm.EqualFold(value, "close") {
		return
	}
	kept := resp.Header[:0]
	for _, f := range resp.Header {
		if !listed(value, f.Name) {
			kept = append(kept, f)
		}
	}
	resp.Header = kept
}

// decide says how the body ends (RFC 9112, section 6.3).
func (h *head) decide(resp *Response, encoded, noBody bool) {
	resp.Length = h.length
	switch {
	case noBody || resp.Status == 204 || resp.Status == 304 || resp.Status < 200:
		h.frame, resp.Length = empty, 0
	case encoded:
		h.frame = chunked
	case h.length >= 0:
		h.frame = byLength
	default:
		h.frame, h.close = untilClose, true
	}
	h.length = max(h.length, 0)
}

// statusLine reads "HTTP/1.1 200 OK" and reports whether the version is 1.0.
func statusLine(line string, status *int) (old, ok bool) {
	if len(line) < 12 || line[:7] != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' ||
		len(line) > 12 && line[12] != ' ' || !fieldValue(line) {
		return false, false
	}
	*status = 0
	for i := 9; i < 12; i++ {
		if line[i] < '0' || line[i] > '9' {
			return false, false
		}
		*status = *status*10 + int(line[i]-'0')
	}
	return line[7] == '0', *status >= 100
}

// parseLength reads "1*DIGIT".
func parseLength(s string, n *int64) bool {
	if s == "" || len(s) > 18 {
		return false
	}
	v := int64(0)
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		v = v*10 + int64(s[i]-'0')
	}
	*n = v
	return true
}
