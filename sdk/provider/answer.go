package provider

import (
	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Answer passes an upstream's answer on as it comes, with its content type and the further fields of its header
// that are named. The answer belongs to the call, and ends with the call's context.
func Answer(r *egress.Response, fields ...string) *llm.Response {
	out := &llm.Response{Status: r.Status, Recv: func(c *llm.Chunk) (err error) {
		if c.Data, err = r.Body.Next(c.Data[:0]); len(c.Data) > 0 {
			return nil // the end is told by the next call
		}
		return err
	}}
	for _, name := range append([]string{"Content-Type"}, fields...) {
		if v := r.Header.Get(name); v != "" {
			out.Header.Add(name, v)
		}
	}
	return out
}
