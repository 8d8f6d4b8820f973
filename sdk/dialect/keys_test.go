package dialect

import (
	"strings"
	"testing"
)

func TestSnakeKeysAreOneKeyInTwoSpellings(t *testing.T) {
	keys := NewSnakeKeys("systemInstruction", "tools", "_responseJsonSchema")
	for _, c := range []struct {
		body    string
		key     int
		refused string // part of the message; "" = accepted
	}{
		{`{"systemInstruction":1}`, 0, ""},
		{`{"system_instruction":1}`, 0, ""},
		{`{"tools":1}`, 1, ""},
		{`{"_responseJsonSchema":1}`, 2, ""},
		{`{"_response_json_schema":1}`, 2, ""},
		{`{"other_thing":1,"otherThing":2,"tool":3,"_":4,"":5}`, -1, ""},
		{`{"` + strings.Repeat("_", 5000) + `other":1}`, -1, ""},
		{`{"system_instruction":1,"systemInstruction":2}`, 0, `"systemInstruction" stands twice`},
		{`{"system_instruction":1,"system_instruction":2}`, 0, `"systemInstruction" stands twice`},
		{`{"SystemInstruction":1}`, -1, `"systemInstruction" is written in another way`},
		{`{"systeminstruction":1}`, -1, `"systemInstruction" is written in another way`},
		{`{"system_Instruction":1}`, -1, `"systemInstruction" is written in another way`},
		{`{"system-instruction":1}`, -1, ""},
		{`{"__tools":1}`, -1, `"tools" is written in another way`},
		{`{"` + strings.Repeat("_", 5000) + `tools":1}`, -1, `"tools" is written in another way`},
		{`{"system\u005finstruction":1}`, -1, `"systemInstruction" is written in another way`},
		{"{\"tool\u017f\":1}", -1, `"tools" is written in another way`},
	} {
		r := NewReader([]byte(c.body))
		o := r.Object(keys)
		last := -1
		for {
			key, ok := r.Next(&o)
			if !ok {
				break
			}
			last = key
			r.Skip()
		}
		err := r.End()
		if c.refused == "" && (err != nil || last != c.key) || c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)) {
			t.Errorf("%.60s: key %d, %v", c.body, last, err)
		}
	}
}
