package gemini

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
)

// schema is a schema on its way from Google's form, an excerpt of OpenAPI 3.0's, to JSON Schema (2020-12).
// Source: Schema at https://ai.google.dev/api/caching and in Vertex AI's reference, which has defs and ref as well.
type schema struct {
	members    []schemaMember
	properties []schemaMember
	order      []string // of the properties
	nullable   bool
}

// schemaMember is a member of a schema, or a property and its schema.
type schemaMember struct {
	name  string
	value json.RawMessage
}

// schema reads a schema in Google's form as a JSON Schema: its types are in lower case there, null is one of them, and counts
// are numbers. Members that Google's form does not have stay as they are: clients write those of JSON Schema there. What that has no
// word for is listed.
func (d decoder) schema() json.RawMessage {
	if d.Type() != dialect.TypeObject {
		return d.Raw()
	}
	var s schema
	d.Each("a schema", func(key string) { d.schemaMember(&s, key) })
	return s.plain()
}

func (d decoder) schemaMember(s *schema, key string) {
	switch k := camelCase(key); k {
	case "type":
		if raw := d.Raw(); string(raw) != `"TYPE_UNSPECIFIED"` {
			s.put(k, bytes.ToLower(raw))
		}
	case "nullable":
		v := d.Flag(k)
		s.nullable = v != nil && *v
	case "format":
		d.schemaFormat(s)
	case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "minimum", "maximum":
		s.put(k, d.schemaNumber(k))
	case "propertyOrdering":
		d.Items(k, func(int) { s.order = append(s.order, d.Str(k)) })
	case "properties":
		s.properties = d.schemaMap(k)
	case "defs", "$defs":
		s.put("$defs", written(d.schemaMap(k)))
	case "ref":
		s.put("$ref", bytes.Replace(d.Raw(), []byte(`"#/defs/`), []byte(`"#/$defs/`), 1))
	case "items", "additionalProperties", "anyOf", "oneOf", "allOf", "prefixItems":
		s.put(k, d.schemas(k))
	case "example":
		s.put("examples", slices.Concat([]byte("["), d.value(), []byte("]")))
	case "default":
		s.put(k, d.value())
	default:
		s.put(key, d.Raw())
	}
}

// value reads any value as it is written, null as well.
func (d decoder) value() json.RawMessage { return bytes.Clone(d.Bytes(d.Skip())) }

// schemaFormat reads a format. That a text has an enum is said by the enum; how wide a number is JSON Schema has no word for.
func (d decoder) schemaFormat(s *schema) {
	switch raw := d.Raw(); string(raw) {
	case `"enum"`, `""`:
	case `"int32"`, `"int64"`, `"float"`, `"double"`:
		d.Unsaid("")
	default:
		s.put("format", raw)
	}
}

// schemaNumber reads a number, which the JSON form of protocol buffers may have in quotes.
func (d decoder) schemaNumber(key string) json.RawMessage {
	if d.Type() != dialect.TypeString {
		return json.RawMessage(d.Num(key))
	}
	raw := json.RawMessage(d.Str(key))
	if !isNumber(raw) {
		d.Refuse("`" + key + "` must be a number")
	}
	return raw
}

func isNumber(raw []byte) bool {
	_, err := strconv.ParseFloat(string(raw), 64)
	return err == nil && json.Valid(raw) // which NaN is not
}

// schemaMap reads schemas that have names.
func (d decoder) schemaMap(key string) (all []schemaMember) {
	all = []schemaMember{}
	d.Each(key, func(name string) {
		if raw := d.schema(); raw != nil {
			all = append(all, schemaMember{name, raw})
		}
	})
	return all
}

// schemas reads a schema, or a list of them.
func (d decoder) schemas(key string) json.RawMessage {
	if d.Type() != dialect.TypeArray {
		return d.schema()
	}
	var w dialect.Writer
	w.Array()
	d.Items(key, func(int) {
		if raw := d.schema(); raw != nil {
			w.Raw(raw)
		}
	})
	w.EndArray()
	return w.Buf
}

func (s *schema) put(name string, value json.RawMessage) {
	if len(value) > 0 {
		s.members = append(s.members, schemaMember{name, value})
	}
}

// of returns the value of a member, to be changed, or nil; of one that stands twice the last, which is what holds.
func (s *schema) of(name string) *json.RawMessage {
	for i := len(s.members) - 1; i >= 0; i-- {
		if s.members[i].name == name {
			return &s.members[i].value
		}
	}
	return nil
}

// plain returns the schema as a JSON Schema.
func (s *schema) plain() json.RawMessage {
	if s.properties != nil {
		s.put("properties", written(s.ordered()))
	}
	if kind, enum := s.of("type"), s.of("enum"); kind != nil && enum != nil && (string(*kind) == `"integer"` || string(*kind) == `"number"`) {
		*enum = numbers(*enum)
	}
	if !s.nullable {
		return written(s.members)
	}
	return s.orNull()
}

// ordered returns the properties in the order that is wished for: it is the one in which models write them.
func (s *schema) ordered() []schemaMember {
	place := make(map[string]int, len(s.order))
	for i, name := range s.order {
		place[name] = i - len(s.order) // before those that are not named
	}
	slices.SortStableFunc(s.properties, func(a, b schemaMember) int { return place[a.name] - place[b.name] })
	return s.properties
}

// numbers returns a list with the numbers in it that stand in quotes as such: Google's lists of values are of texts.
func numbers(list json.RawMessage) json.RawMessage {
	var items []json.RawMessage
	if json.Unmarshal(list, &items) != nil {
		return list
	}
	for i, raw := range items {
		if bare := bytes.Trim(raw, `"`); isNumber(bare) {
			items[i] = bare
		}
	}
	var w dialect.Writer
	w.Array()
	for _, raw := range items {
		w.Raw(raw)
	}
	w.EndArray()
	return w.Buf
}

// orNull returns the schema with null as a value that fits it.
func (s *schema) orNull() json.RawMessage {
	const null = `{"type":"null"}`
	for _, name := range []string{"$ref", "const", "oneOf", "allOf"} {
		if s.of(name) == nil {
			continue
		}
		var outer []schemaMember // what references point at stays at the root
		if defs := s.of("$defs"); defs != nil {
			outer = append(outer, schemaMember{"$defs", *defs})
			s.members = slices.DeleteFunc(s.members, func(m schemaMember) bool { return m.name == "$defs" })
		}
		return written(append(outer, schemaMember{"anyOf", slices.Concat([]byte("["), written(s.members), []byte(","+null+"]"))}))
	}
	if kind := s.of("type"); kind != nil && !strings.Contains(string(*kind), `"null"`) {
		if (*kind)[0] == '"' {
			*kind = slices.Concat([]byte("["), *kind, []byte("]"))
		}
		*kind = with(*kind, `"null"`)
	}
	if some := s.of("anyOf"); some != nil {
		*some = with(*some, null)
	}
	if enum := s.of("enum"); enum != nil {
		*enum = with(*enum, "null")
	}
	return written(s.members)
}

// with returns a list with one more item.
func with(list json.RawMessage, item string) json.RawMessage {
	var items []json.RawMessage
	if json.Unmarshal(list, &items) != nil {
		return list
	}
	if inner := bytes.TrimSuffix(bytes.TrimSpace(list), []byte("]")); len(items) > 0 {
		return slices.Concat(inner, []byte(","+item+"]"))
	}
	return json.RawMessage("[" + item + "]")
}

// written returns members as an object.
func written(all []schemaMember) json.RawMessage {
	var w dialect.Writer
	w.Object()
	for _, m := range all {
		w.Member(string(dialect.AppendQuoted(nil, []byte(m.name))), m.value)
	}
	w.EndObject()
	return w.Buf
}
