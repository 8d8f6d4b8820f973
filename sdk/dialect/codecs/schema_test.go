package codecs

import (
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
)

// TestGooglesSchemas become JSON Schemas that the same values fit, of answers and of what functions are called with; what JSON
// Schema has no word for is listed.
func TestGooglesSchemas(t *testing.T) {
	for name, c := range map[string]struct{ google, plain, lost string }{
		"types":                  {`{"type":"OBJECT","properties":{"type":{"type":"STRING"},"b":{"type":"ARRAY","items":{"type":"Integer"}}}}`, `{"type":"object","properties":{"type":{"type":"string"},"b":{"type":"array","items":{"type":"integer"}}}}`, ""},
		"no type":                {`{"type":"TYPE_UNSPECIFIED","description":"any"}`, `{"description":"any"}`, ""},
		"a null":                 {`{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true},"b":{"nullable":false,"type":"STRING"}}}`, `{"type":"object","properties":{"a":{"type":["string","null"]},"b":{"type":"string"}}}`, ""},
		"a null among values":    {`{"type":"STRING","format":"enum","enum":["A","B"],"nullable":true}`, `{"type":["string","null"],"enum":["A","B",null]}`, ""},
		"no values":              {`{"type":"STRING","enum":[],"nullable":true}`, `{"type":["string","null"]}`, ""},
		"a null once":            {`{"type":"STRING","enum":["A",null],"nullable":true}`, `{"type":["string","null"],"enum":["A",null]}`, ""},
		"a null among schemas":   {`{"any_of":[{"type":"INTEGER"},{"type":"STRING"}],"nullable":true}`, `{"anyOf":[{"type":"integer"},{"type":"string"},{"type":"null"}]}`, ""},
		"a null as type":         {`{"anyOf":[{"type":"NULL"},{"type":"NULL","nullable":true}]}`, `{"anyOf":[{"type":"null"},{"type":"null"}]}`, ""},
		"a null beside a name":   {`{"ref":"#/defs/a","nullable":true,"defs":{"a":{"type":"OBJECT","properties":{"next":{"ref":"#/defs/a"}}}}}`, `{"$defs":{"a":{"type":"object","properties":{"next":{"$ref":"#/$defs/a"}}}},"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}]}`, ""},
		"any value":              {`{"nullable":true}`, `{}`, ""},
		"several types":          {`{"type":["STRING","INTEGER"],"nullable":true}`, `{"type":["string","integer","null"]}`, ""},
		"counts":                 {`{"type":"ARRAY","minItems":"1","max_items":"3","items":{"type":"STRING","minLength":2,"maxLength":"9"}}`, `{"type":"array","minItems":1,"maxItems":3,"items":{"type":"string","minLength":2,"maxLength":9}}`, ""},
		"counts of members":      {`{"type":"OBJECT","min_properties":"1","maxProperties":"0"}`, `{"type":"object","minProperties":1,"maxProperties":0}`, ""},
		"bounds":                 {`{"type":"NUMBER","minimum":"-1.5","maximum":2}`, `{"type":"number","minimum":-1.5,"maximum":2}`, ""},
		"an order":               {`{"type":"OBJECT","properties":{"a":{},"b":{},"c":{},"d":{}},"propertyOrdering":["c","a"]}`, `{"type":"object","properties":{"c":{},"a":{},"b":{},"d":{}}}`, ""},
		"an order, in snakes":    {`{"type":"OBJECT","property_ordering":["b","a"],"properties":{"a":{},"b":{}}}`, `{"type":"object","properties":{"b":{},"a":{}}}`, ""},
		"numbers among values":   {`{"type":"INTEGER","format":"enum","enum":["101","201"]}`, `{"type":"integer","enum":[101,201]}`, ""},
		"texts that are numbers": {`{"type":"STRING","enum":["101","201"]}`, `{"type":"string","enum":["101","201"]}`, ""},
		"what it is like":        {`{"type":"STRING","title":"t","description":"d","example":"e","default":null,"pattern":"^a"}`, `{"type":"string","title":"t","description":"d","examples":["e"],"default":null,"pattern":"^a"}`, ""},
		"formats":                {`{"type":"OBJECT","properties":{"at":{"type":"STRING","format":"date-time"},"n":{"type":"INTEGER","format":"int64"}}}`, `{"type":"object","properties":{"at":{"type":"string","format":"date-time"},"n":{"type":"integer"}}}`, ".properties.n.format"},
		"JSON Schema's own":      {`{"type":"object","additionalProperties":{"type":"STRING"},"properties":{"k\"\u00e9":{"const":"STRING"}},"required":["k"],"x_other":{"type":"STRING"}}`, `{"type":"object","additionalProperties":{"type":"string"},"required":["k"],"x_other":{"type":"STRING"},"properties":{"k\"é":{"const":"STRING"}}}`, ""},
		"no more members":        {`{"type":"OBJECT","additional_properties":false,"properties":{}}`, `{"type":"object","additionalProperties":false,"properties":{}}`, ""},
	} {
		const ask = `{"contents":[{"parts":[{"text":"x"}]}],`
		listed := func(at string) string {
			if c.lost == "" {
				return ""
			}
			return at + c.lost
		}
		form := ask + `"generationConfig":{"responseMimeType":"application/json","responseSchema":` + c.google + `}}`
		out, lost, err := encoded(t, llm.Gemini, llm.OpenAI, form)
		if err != nil || !strings.Contains(out, `"schema":`+c.plain+`}`) || lost != listed("generationConfig.responseSchema") {
			t.Errorf("%s, of an answer: %v, listed: %s\n\t%s", name, err, lost, out)
		}
		call := ask + `"tools":[{"function_declarations":[{"name":"f","parameters":` + c.google + `}]}]}`
		out, lost, err = encoded(t, llm.Gemini, llm.Anthropic, call)
		if err != nil || !strings.Contains(out, `"input_schema":`+c.plain+`}`) || lost != listed("tools[0].function_declarations[0].parameters") {
			t.Errorf("%s, of a call: %v, listed: %s\n\t%s", name, err, lost, out)
		}
	}
}

// TestJSONSchemasOfGooglesClients stay as they are, and what a function gives back is listed.
func TestJSONSchemasOfGooglesClients(t *testing.T) {
	const plain = `{"type": ["string","null"],"minItems":"1","nullable":true,"properties":{"type":{"type":"STRING"}}}`
	out, lost, err := encoded(t, llm.Gemini, llm.OpenAI, `{"contents":[{"parts":[{"text":"x"}]}],"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":`+plain+`,"response":{"type":"STRING"}}]}],
		"generationConfig":{"responseMimeType":"application/json","response_json_schema":`+plain+`}}`)
	if err != nil || strings.Count(out, plain) != 2 || lost != "tools[0].functionDeclarations[0].response" {
		t.Errorf("%v, listed: %s\n%s", err, lost, out)
	}
}

// TestSchemasThatCannotBeMeant are refused.
func TestSchemasThatCannotBeMeant(t *testing.T) {
	for name, c := range map[string]struct{ body, says string }{
		"a count that is none": {`"generationConfig":{"responseSchema":{"type":"ARRAY","minItems":"many"}}`, "`minItems` must be a number"},
		"a bound that is none": {`"generationConfig":{"responseSchema":{"type":"NUMBER","maximum":"NaN"}}`, "`maximum` must be a number"},
		"two of an answer":     {`"generationConfig":{"responseSchema":{"type":"STRING"},"responseJsonSchema":{"type":"string"}}`, "`responseJsonSchema`"},
		"two of a function":    {`"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{},"parameters":{}}]}]`, "`parametersJsonSchema`"},
	} {
		if _, _, err := encoded(t, llm.Gemini, llm.OpenAI, `{"contents":[{"parts":[{"text":"x"}]}],`+c.body+`}`); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
