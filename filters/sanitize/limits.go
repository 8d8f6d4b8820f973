package main

import "github.com/ginnel/ginnel/sdk/filter"

// limits is what a valid request keeps to; 0 is no limit.
type limits struct {
	field, arguments, text int // bytes
	texts, depth           int
	json                   bool // a tool's arguments must be a JSON object
}

func parseLimits(v filter.Value) limits {
	return limits{
		field:     int(v.Get("field").Int(16 << 10)),
		arguments: int(v.Get("arguments").Int(1 << 20)),
		text:      int(v.Get("text").Int(0)),
		texts:     int(v.Get("texts").Int(0)),
		depth:     int(v.Get("depth").Int(64)),
		json:      v.Get("arguments_json").Bool(false),
	}
}

// broken says how a text breaks the limits, or "".
func (l *limits) broken(t filter.Text, kind filter.Kind) string {
	switch kind {
	case filter.KindStructured:
		if l.field > 0 && t.Len() > l.field {
			return "a structured field is too long"
		}
	case filter.KindArguments:
		n := t.Len()
		switch {
		case l.arguments > 0 && n > l.arguments:
			return "a tool's arguments are too long"
		case n == 0 || l.depth == 0 && !l.json:
			return ""
		}
		b := t.Bytes()
		if l.depth > 0 && depth(b) > l.depth {
			return "a tool's arguments are nested too deeply"
		}
		if l.json && !object(b) {
			return "a tool's arguments are no JSON object"
		}
	default:
		if l.text > 0 && t.Len() > l.text {
			return "a text is too long"
		}
	}
	return ""
}

func object(b []byte) bool {
	v, err := filter.Parse(b)
	return err == nil && v.Raw()[0] == '{'
}

// depth returns how deeply a JSON text is nested, strings left out.
func depth(b []byte) int {
	most, n, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			n++
			most = max(most, n)
		case c == '}' || c == ']':
			n--
		}
	}
	return most
}
