package conversation

import (
	"slices"
	"unicode/utf8"
)

// MaxCitations bounds those of one text, whose number is the upstream's word. Vendors give dozens.
const MaxCitations = 1024

// Bounded returns as many of them as are read.
func Bounded(all []Citation) []Citation { return all[:min(len(all), MaxCitations)] }

// Ruler says where the characters of a text are in it, without counting from its beginning each time.
type Ruler struct {
	text  string
	marks []int // where each character begins whose number divides by stride
	chars int
}

const stride = 256

// NewRuler returns the ruler of a text.
func NewRuler(text string) *Ruler {
	r := &Ruler{text: text}
	for i := range text {
		if r.chars%stride == 0 {
			r.marks = append(r.marks, i)
		}
		r.chars++
	}
	return r
}

// at returns where character n begins.
func (r *Ruler) at(n int) int {
	if n >= r.chars {
		return len(r.text)
	}
	i := r.marks[n/stride]
	for range n % stride {
		_, size := utf8.DecodeRuneInString(r.text[i:])
		i += size
	}
	return i
}

// number returns how many characters begin before a place.
func (r *Ruler) number(at int) int {
	mark, found := slices.BinarySearch(r.marks, at)
	if found {
		return mark * stride
	}
	if mark == 0 {
		return 0
	}
	return (mark-1)*stride + utf8.RuneCountInString(r.text[r.marks[mark-1]:at])
}

// InBytes makes places that count the characters of a text count its bytes. Those that are not in it are not said.
func (c *Citation) InBytes(r *Ruler) {
	if c.Start < 0 || c.Start > c.End || c.End > r.chars {
		c.Start, c.End = 0, 0
		return
	}
	c.Start, c.End = r.at(c.Start), r.at(c.End)
}

// Span returns the places in bytes of the text that is cited for: all of it where they are not said, and whole
// characters.
func (c *Citation) Span(text string) (start, end int) {
	if c.Start == 0 && c.End == 0 {
		return 0, len(text)
	}
	start = min(max(c.Start, 0), len(text))
	end = max(min(c.End, len(text)), start)
	for start > 0 && start < len(text) && !utf8.RuneStart(text[start]) {
		start--
	}
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end++
	}
	return start, end
}

// InChars returns the same in characters.
func (c *Citation) InChars(r *Ruler) (start, end int64) {
	from, to := c.Span(r.text)
	return int64(r.number(from)), int64(r.number(to))
}

// Behind makes places that count the bytes of a longer text count those of what begins after the first n of them. It
// reports whether they are not before it.
func (c *Citation) Behind(n int) bool {
	if c.Start == 0 && c.End == 0 {
		return true
	}
	c.Start, c.End = max(c.Start-n, 0), c.End-n
	return c.End > 0
}

// Cite gives citations to the texts among parts. Their places count the bytes of all texts together; where they are not
// said it is the last text's.
func Cite(parts []Part, citations []Citation) {
	last := -1
	for i := range parts {
		if parts[i].Kind == Text {
			last = i
		}
	}
	for _, c := range Bounded(citations) {
		for i := range parts {
			p := &parts[i]
			if p.Kind != Text {
				continue
			}
			if unsaid := c.Start == 0 && c.End == 0; i == last || !unsaid && c.Start < len(p.Text) {
				if !unsaid {
					c.End = min(c.End, len(p.Text))
				}
				p.Citations = append(p.Citations, c)
				break
			}
			c.Behind(len(p.Text))
		}
	}
}
