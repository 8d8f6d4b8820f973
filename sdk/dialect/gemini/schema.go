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
	value schemaValue
}

// schemaValue is a value in a schema. Schemas nest: it is written when all of it was read, so that none is copied for each that
// it stands in.
type schemaValue interface{ write(w *dialect.Writer) }

// The values: one as it was written, a list, and an object.
type (
	schemaRaw    json.RawMessage
	schemaList   []schemaValue
	schemaObject []schemaMember
)

func (v schemaRaw) write(w *dialect.Writer) { w.Raw(v) }

func (v schemaList) write(w *dialect.Writer) {
	w.Array()
	for _, item := range v {
		item.write(w)
	}
	w.EndArray()
}

func (v schemaObject) write(w *dialect.Writer) {
	w.Object()
	for _, m := range v {
		w.Key(string(dialect.AppendQuoted(nil, []byte(m.name))))
		m.value.write(w)
	}
	w.EndObject()
}

// schema reads a schema in Google's form as a JSON Schema: its types are in lower case there, null is one of them, and counts
// are numbers. Members that Google's form does not have stay as they are: clients write those of JSON Schema there. What that has no
// word for is listed.
func (d decoder) schema() json.RawMessage {
	v := d.subschema()
	if v == nil {
		return nil
	}
	var w dialect.Writer
	v.write(&w)
	return w.Buf
}

// subschema is schema for one that may stand in another; null is nil.
func (d decoder) subschema() schemaValue {
	if d.Type() != dialect.TypeObject {
		return asWritten(d.Raw())
	}
	var s schema
	d.Each("a schema", func(key string) { d.schemaMember(&s, key) })
	return s.plain()
}

// asWritten returns a value as it stands, nil where there is none.
func asWritten(raw []byte) schemaValue {
	if len(raw) == 0 {
		return nil
	}
	return schemaRaw(raw)
}

func (d decoder) schemaMember(s *schema, key string) {
	switch k := camelCase(key); k {
	case "type":
		if raw := d.Raw(); string(raw) != `"TYPE_UNSPECIFIED"` {
			s.put(k, asWritten(bytes.ToLower(raw)))
		}
	case "enum":
		if raw := d.Raw(); string(raw) != "[]" { // which is none, as of every list of a protocol buffer
			s.put(k, asWritten(raw))
		}
	case "nullable":
		v := d.Flag(k)
		s.nullable = v != nil && *v
	case "format":
		d.schemaFormat(s)
	case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties", "minimum", "maximum":
		s.put(k, asWritten(d.schemaNumber(k)))
	case "propertyOrdering":
		d.Items(k, func(int) { s.order = append(s.order, d.Str(k)) })
	case "properties":
		s.properties = d.schemaMap(k)
	case "defs", "$defs":
		s.put("$defs", schemaObject(d.schemaMap(k)))
	case "ref":
		s.put("$ref", asWritten(bytes.Replace(d.Raw(), []byte(`"#/defs/`), []byte(`"#/$defs/`), 1)))
	case "items", "additionalProperties", "anyOf", "oneOf", "allOf", "prefixItems":
		s.put(k, d.schemas(k))
	case "example":
		s.put("examples", schemaList{d.value()})
	case "default":
		s.put(k, d.value())
	default:
		s.put(key, asWritten(d.Raw()))
	}
}

// value reads any value as it is written, null as well.
func (d decoder) value() schemaValue { return schemaRaw(bytes.Clone(d.Bytes(d.Skip()))) }

// schemaFormat reads a format. That a text has an enum is said by the enum; how wide a number is JSON Schema has no word for.
func (d decoder) schemaFormat(s *schema) {
	switch raw := d.Raw(); string(raw) {
	case `"enum"`, `""`:
	case `"int32"`, `"int64"`, `"float"`, `"double"`:
		d.Unsaid("")
	default:
		s.put("format", asWritten(raw))
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
		if v := d.subschema(); v != nil {
			all = append(all, schemaMember{name, v})
		}
	})
	return all
}

// schemas reads a schema, or a list of them.
func (d decoder) schemas(key string) schemaValue {
	if d.Type() != dialect.TypeArray {
		return d.subschema()
	}
	all := schemaList{}
	d.Items(key, func(int) {
		if v := d.subschema(); v != nil {
			all = append(all, v)
		}
	})
	return all
}

func (s *schema) put(name string, value schemaValue) {
	if value != nil {
		s.members = append(s.members, schemaMember{name, value})
	}
}

// of returns the value of a member, to be changed, or nil; of one that stands twice the last, which is what holds.
func (s *schema) of(name string) *schemaValue {
	for i := len(s.members) - 1; i >= 0; i-- {
		if s.members[i].name == name {
			return &s.members[i].value
		}
	}
	return nil
}

// text returns the value of a member that is no schema, as it was written; "" where there is none.
func (s *schema) text(name string) string {
	if v := s.of(name); v != nil {
		raw, _ := (*v).(schemaRaw)
		return string(raw)
	}
	return ""
}

// plain returns the schema as a JSON Schema.
func (s *schema) plain() schemaValue {
	if s.properties != nil {
		s.put("properties", schemaObject(s.ordered()))
	}
	if kind, enum := s.text("type"), s.of("enum"); enum != nil && (kind == `"integer"` || kind == `"number"`) {
		*enum = numbers(*enum)
	}
	if !s.nullable {
		return schemaObject(s.members)
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
func numbers(v schemaValue) schemaValue {
	var items []json.RawMessage
	if raw, ok := v.(schemaRaw); !ok || json.Unmarshal(raw, &items) != nil {
		return v
	}
	all := schemaList{}
	for _, raw := range items {
		if bare := bytes.Trim(raw, `"`); isNumber(bare) {
			raw = bare
		}
		all = append(all, schemaRaw(raw))
	}
	return all
}

// orNull returns the schema with null as a value that fits it.
func (s *schema) orNull() schemaValue {
	null := schemaObject{{"type", schemaRaw(`"null"`)}}
	for _, name := range []string{"$ref", "const", "oneOf", "allOf"} {
		if s.of(name) == nil {
			continue
		}
		var outer schemaObject // what references point at stays at the root
		if defs := s.of("$defs"); defs != nil {
			outer = append(outer, schemaMember{"$defs", *defs})
			s.members = slices.DeleteFunc(s.members, func(m schemaMember) bool { return m.name == "$defs" })
		}
		return append(outer, schemaMember{"anyOf", schemaList{schemaObject(s.members), null}})
	}
	if kind := s.text("type"); kind != "" && !strings.Contains(kind, `"null"`) {
		if kind[0] == '"' {
			kind = "[" + kind + "]"
		}
		*s.of("type") = with(schemaRaw(kind), schemaRaw(`"null"`))
	}
	if some := s.of("anyOf"); some != nil {
		*some = with(*some, null)
	}
	if enum := s.of("enum"); enum != nil {
		*enum = with(*enum, schemaRaw("null"))
	}
	return schemaObject(s.members)
}

// with returns a list with one more item, and what is none as it is, or has null already.
func with(v schemaValue, item schemaValue) schemaValue {
	switch v := v.(type) {
	case schemaList:
		return append(v, item)
	case schemaRaw:
		var items []json.RawMessage
		if json.Unmarshal(v, &items) != nil || slices.ContainsFunc(items, func(raw json.RawMessage) bool { return string(raw) == "null" }) {
			return v
		}
		all := make(schemaList, 0, len(items)+1)
		for _, raw := range items {
			all = append(all, schemaRaw(raw))
		}
		return append(all, item)
	}
	return v
}
