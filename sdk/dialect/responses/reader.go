package responses

import (
	"math"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// reader reads what requests, answers and events have in common: items, parts and tools.
type reader struct {
	dialect.Reader
	texts   []dialect.Text
	closed  []dialect.Block // that a finished item has; collected for events only
	event   bool
	called  bool     // a tool call, or what one gave back, stands in it
	further []string // models that the vendor is to run besides
	files   []string // what the vendor keeps
	items   []string // items of earlier answers, as far as they are taken by their ids
	unseen  string   // the first field whose content cannot be seen, or ""
	vendors bool     // a vendor wrote it, and no client

	compacts    bool     // it is a conversation to be said in less, or one that is
	compactions []string // that stand in the former

	id, container dialect.Span // of the last item, in what a vendor wrote: where its code ran
	named         bool         // who repeats it is asked for it by its id
	compaction    bool         // it is one
}

// text reads a string as a text of the first block; anything else but null cannot be seen.
func (r *reader) text(kind dialect.Kind, name string) { r.textIn(kind, 0, true, name) }

// textIn reads a string as a text of a block; whole says that no later event can add to it.
func (r *reader) textIn(kind dialect.Kind, block int16, whole bool, name string) {
	var ok bool
	r.texts, ok = r.AppendText(r.texts, dialect.Text{Channel: dialect.Channel{Block: block, Kind: kind}, Whole: whole})
	if !ok {
		r.hidden(name)
	}
	if r.event && !whole {
		r.closed = append(r.closed, dialect.Block{Block: block})
	}
}

// strings reads every string of the value at hand.
func (r *reader) strings(kind dialect.Kind) {
	r.texts = r.AppendStrings(r.texts, dialect.Text{Channel: dialect.Channel{Kind: kind}, Whole: true})
}

// schema reads the words of a JSON schema.
func (r *reader) schema() {
	r.texts = r.AppendSchema(r.texts, dialect.Text{Channel: dialect.Channel{Kind: dialect.KindToolDef}, Whole: true})
}

// speak gives the texts from begin on to a speaker.
func (r *reader) speak(begin int, role dialect.Role) {
	for i := begin; i < len(r.texts); i++ {
		r.texts[i].Role = role
	}
}

// hidden skips the value at hand, which stands for content that cannot be seen, unless it is null or
// an empty list.
func (r *reader) hidden(name string) {
	switch r.Type() {
	case dialect.TypeNull:
		r.Skip()
		return
	case dialect.TypeArray:
		r.Array()
		n := 0
		for r.Item(&n) {
			r.Skip()
		}
		if n == 0 {
			return
		}
	default:
		r.Skip()
	}
	r.mark(name)
}

func (r *reader) mark(name string) {
	if r.unseen == "" {
		r.unseen = name
	}
}

// word returns the text of a string that is one of a set of words.
func (r *reader) word(s dialect.Span) []byte {
	if raw := r.Bytes(s); dialect.Escaped(raw) {
		return dialect.AppendUnquoted(nil, raw)
	}
	return r.Bytes(s)
}

// url reads a URL. What a data URL holds is media; what any other points at is out of sight.
func (r *reader) url(name string) {
	if r.Null() {
		return
	}
	if s, ok := r.String(); !ok {
		r.Skip()
	} else if raw := r.Bytes(s); dialect.IsDataURL(raw) || len(raw) == 0 {
		return
	} else {
		r.files = dialect.AppendURL(r.files, raw)
	}
	r.mark(name)
}

// data passes over base64, bare or in a data URL, and marks what points elsewhere.
func (r *reader) data(name string) {
	if s, ok := r.String(); !ok {
		r.hidden(name)
	} else if raw := r.Bytes(s); !dialect.IsDataURL(raw) && dialect.MayBeURL(raw) {
		r.files = dialect.AppendURL(r.files, raw)
		r.mark(name)
	}
}

// kept reads the ids at hand of what the vendor keeps.
func (r *reader) kept(name string) {
	n := len(r.files)
	if r.files = r.AppendNames(r.files); len(r.files) > n {
		r.mark(name)
	}
}

// index returns n as an index of a channel.
func index(n int64) int16 { return int16(min(max(n, 0), math.MaxInt16/2)) }
