package conversation

import "unicode/utf8"

// InBytes makes places that count the characters of a text count its bytes. Those that are not in it are not said.
func (c *Citation) InBytes(text string) {
	at := func(n int) int {
		for i := range text {
			if n == 0 {
				return i
			}
			n--
		}
		return len(text)
	}
	if c.Start < 0 || c.Start > c.End || c.End > utf8.RuneCountInString(text) {
		c.Start, c.End = 0, 0
		return
	}
	c.Start, c.End = at(c.Start), at(c.End)
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
func (c *Citation) InChars(text string) (start, end int64) {
	from, to := c.Span(text)
	start = int64(utf8.RuneCountInString(text[:from]))
	return start, start + int64(utf8.RuneCountInString(text[from:to]))
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
	for _, c := range citations {
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
