package plugin

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/schema"
)

// CheckConfig checks a config block, as JSON, against its shape: members that the shape does not have,
// values of the wrong JSON type, missing ones. The host has checked it before, with the operator's
// line; a plugin checks it again because it may meet another host. Errors never show a value.
func CheckConfig(shape *schema.Block, config []byte) error {
	if len(bytes.TrimSpace(config)) == 0 {
		config = []byte("{}")
	}
	if shape == nil {
		shape = &schema.Block{}
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(config, &members); err != nil {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the config is not a JSON object"}
	}
	for name, value := range members {
		if shape.Blocks[name] != nil {
			continue
		}
		a := shape.Attr(name)
		if a == nil {
			return &llm.Error{Code: llm.CodeInvalid, Message: "config: there is no " + name}
		}
		if !fits(a, value) {
			return &llm.Error{Code: llm.CodeInvalid, Message: "config: " + name + " must be a " + string(a.Kind)}
		}
	}
	for i := range shape.Attrs {
		if a := &shape.Attrs[i]; a.Required() && members[a.Name] == nil {
			return &llm.Error{Code: llm.CodeInvalid, Message: "config: " + a.Name + " is missing"}
		}
	}
	return nil
}

// fits reports whether a JSON value is what an attribute of that kind arrives as.
func fits(a *schema.Attr, value json.RawMessage) bool {
	if string(value) == "null" {
		return a.Optional
	}
	var into any
	switch a.Kind {
	case schema.String, schema.Rate:
		var s string
		if json.Unmarshal(value, &s) != nil {
			return false
		}
		return len(a.Enum) == 0 || slices.Contains(a.Enum, s)
	case schema.Int, schema.Duration, schema.Size:
		into = new(int64)
	case schema.Float, schema.Ratio:
		into = new(float64)
	case schema.Bool:
		into = new(bool)
	case schema.Strings:
		into = new([]string)
	case schema.Map:
		into = new(map[string]string)
	default:
		return json.Valid(value)
	}
	return json.Unmarshal(value, into) == nil
}
