package conversation

import (
	"cmp"
	"encoding/json"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// ClaudeSchema returns the schema of the answer as Anthropic's models take it: an object has the members that it names and no
// others. Whatever fits that fits the schema that was asked for. What is closed so is listed. A schema for which this cannot be
// said, because its parts are put together in a way that those models do not take either, stays as it is.
// Source: https://platform.claude.com/docs/en/build-with-claude/structured-outputs, which is what Anthropic's SDKs do, too.
func (l *Lost) ClaudeSchema(f *Format) json.RawMessage {
	c := closer{Reader: dialect.NewReader(f.Schema)}
	c.schema()
	if c.End() != nil || c.composed || !c.changed {
		return f.Schema
	}
	l.Drop(cmp.Or(f.At, "response_format.schema")+".additionalProperties", "Anthropic's models answer with the members that are named only")
	return c.Buf
}

// closer writes a schema once more, with its objects closed.
type closer struct {
	dialect.Reader
	dialect.Writer
	changed  bool
	composed bool // a value has to fit several schemas at once, or must not fit one
}

func (c *closer) raw() json.RawMessage { return c.Bytes(c.Skip()) }

func (c *closer) schema() {
	if c.Type() != dialect.TypeObject {
		c.Writer.Raw(c.raw())
		return
	}
	var others json.RawMessage // what is said of members that are not named
	named, several := false, false
	o := c.Reader.Object(nil)
	c.Writer.Object()
	for {
		if _, ok := c.Next(&o); !ok {
			break
		}
		key := string(c.Bytes(o.Key))
		if key == "additionalProperties" {
			others = c.raw()
			continue
		}
		c.Key(key)
		switch key {
		case "properties":
			named = true
			c.each()
		case "$defs", "definitions":
			c.each()
		case "items":
			c.schema()
		case "anyOf", "allOf":
			several = true
			c.composed = c.list() > 1 && key == "allOf" || c.composed
		case "$ref":
			several = true
			c.Writer.Raw(c.raw())
		case "oneOf", "not", "if", "then", "else", "contains", "patternProperties", "propertyNames", "dependentSchemas", "dependencies", "unevaluatedProperties", "prefixItems":
			c.composed = true
			c.Writer.Raw(c.raw())
		default:
			c.Writer.Raw(c.raw())
		}
	}
	c.composed = c.composed || named && several
	if named && (others == nil || string(others) == "true") {
		others, c.changed = json.RawMessage("false"), true
	}
	c.Member("additionalProperties", others)
	c.EndObject()
}

// each reads schemas that have names.
func (c *closer) each() {
	if c.Type() != dialect.TypeObject {
		c.Writer.Raw(c.raw())
		return
	}
	o := c.Reader.Object(nil)
	c.Writer.Object()
	for {
		if _, ok := c.Next(&o); !ok {
			break
		}
		c.Key(string(c.Bytes(o.Key)))
		c.schema()
	}
	c.EndObject()
}

// list reads schemas of which there are several, and returns how many.
func (c *closer) list() (n int) {
	if c.Type() != dialect.TypeArray {
		c.Writer.Raw(c.raw())
		return 0
	}
	c.Reader.Array()
	c.Writer.Array()
	for c.Item(&n) {
		c.schema()
	}
	c.EndArray()
	return n
}
