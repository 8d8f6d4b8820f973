package config

import (
	"slices"

	"github.com/ginnel/ginnel/sdk/schema"
)

// merge lays over upon n: an argument replaces the same argument, a field the same field, a block is
// merged into the block of its type and labels. A block of which there may be one only (tls) replaces
// whichever stands there.
func merge(n, over *node) {
	for name, v := range over.attrs {
		n.attrs[name] = mergeValue(n.attrs[name], v)
	}
	for _, b := range over.blocks {
		n.mergeBlock(b)
	}
}

func (n *node) mergeBlock(b *node) {
	for i, mine := range n.blocks {
		if mine.kind != b.kind {
			continue
		}
		switch {
		case slices.Equal(mine.labels, b.labels) && !b.shape.Opaque:
			merge(mine, b)
			return
		case slices.Equal(mine.labels, b.labels), b.shape.Max == 1:
			n.blocks[i] = b
			return
		}
	}
	n.blocks = append(n.blocks, b)
}

func mergeValue(mine, over *value) *value {
	if mine == nil || over.shape.Kind != schema.Object {
		return over
	}
	fields, ok := mine.v.(map[string]*value)
	if !ok {
		return over
	}
	given, _ := over.v.(map[string]*value)
	for name, v := range given {
		fields[name] = mergeValue(fields[name], v)
	}
	return mine
}
