package schema

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const whole = `{"doc":"d","max":1,"attrs":[
  {"name":"mode","kind":"string","default":"on","enum":["on","off"]},
  {"name":"key","kind":"string","optional":true,"sensitive":true},
  {"name":"limits","kind":"object","optional":true,"fields":[{"name":"size","kind":"size","default":"1MiB"}]}],
  "blocks":{"rule":{"labels":["name"],"attrs":[{"name":"pattern","kind":"string"}]}}}`

func TestParse(t *testing.T) {
	b, err := Parse([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if a := b.Attr("mode"); a == nil || a.Required() || b.Attr("none") != nil || !b.Blocks["rule"].Attr("pattern").Required() {
		t.Errorf("%+v", b)
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil || again.Attr("limits").Fields[0].Default != "1MiB" {
		t.Errorf("%v: %s", err, text)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":              ``,
		"two values":           `{} {}`,
		"unknown member":       `{"colour":"red"}`,
		"unknown kind":         `{"attrs":[{"name":"a","kind":"colour"}]}`,
		"bad name":             `{"attrs":[{"name":"A b","kind":"string"}]}`,
		"twice":                `{"attrs":[{"name":"a","kind":"string"},{"name":"a","kind":"int"}]}`,
		"reference to nothing": `{"attrs":[{"name":"a","kind":"ref"}]}`,
		"fields of a string":   `{"attrs":[{"name":"a","kind":"string","fields":[{"name":"b","kind":"int"}]}]}`,
		"default out of enum":  `{"attrs":[{"name":"a","kind":"string","enum":["x"],"default":"y"}]}`,
		"block like attribute": `{"attrs":[{"name":"a","kind":"string"}],"blocks":{"a":{}}}`,
		"more than it may":     `{"min":3,"max":2}`,
		"deep":                 strings.Repeat(`{"blocks":{"a":`, 100) + "{}" + strings.Repeat("}}", 100),
	} {
		if _, err := Parse([]byte(text)); !errors.Is(err, ErrSchema) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add(`{"attrs":[{"name":"a","kind":"ref","ref_to":"b"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		b, err := Parse([]byte(text))
		if err != nil {
			return
		}
		again, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(again); err != nil {
			t.Fatalf("%v: %s", err, again)
		}
	})
}
