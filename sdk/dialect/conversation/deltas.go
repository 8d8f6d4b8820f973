package conversation

import "slices"

// Deltas appends what a whole answer says to dst, as the stream that its client may have asked for.
func (a *Answer) Deltas(dst []Delta) []Delta {
	dst = append(dst, Delta{Kind: Begin, ID: a.ID, Model: a.Model, Created: a.Created, Stored: a.Stored})
	for i := range a.Choices {
		c := &a.Choices[i]
		end := Delta{Kind: Finished, Choice: i, Finish: c.Finish, Sequence: c.StopSequence}
		if !c.Speaks() {
			end.Logprobs = c.Logprobs
		}
		dst = append(c.Deltas(i, dst), end)
	}
	if a.Usage != nil {
		dst = append(dst, Delta{Kind: Usage, Usage: a.Usage})
	}
	return dst
}

// Speaks reports whether the choice has words.
func (c *Choice) Speaks() bool {
	return slices.ContainsFunc(c.Parts, func(p Part) bool { return p.Kind == Text })
}

// Deltas appends the blocks of choice number to dst. The log probabilities come with its first words, where it has some.
func (c *Choice) Deltas(number int, dst []Delta) []Delta {
	logprobs := c.Logprobs
	for i, p := range c.Parts {
		more := Delta{Kind: More, Choice: number, Block: i, Text: p.Text, Citations: p.Citations}
		end := Delta{Kind: Close, Choice: number, Block: i}
		p.Text, p.Citations = "", nil
		switch p.Kind {
		case ToolCall:
			call := *p.Call
			more.Text, call.Arguments = call.Arguments, ""
			p.Call = &call
		case Text, Thinking, Refusal:
			end.Opaque, p.Opaque.Value = p.Opaque, "" // an item keeps its id
			if p.Kind == Text {
				more.Logprobs, logprobs = logprobs, nil
			}
		}
		dst = append(dst, Delta{Kind: Open, Choice: number, Block: i, Part: &p})
		if more.Text != "" || len(more.Citations) > 0 || more.Logprobs != nil {
			dst = append(dst, more)
		}
		dst = append(dst, end)
	}
	return dst
}
