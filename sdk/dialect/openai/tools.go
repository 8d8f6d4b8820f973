package openai

import "github.com/ginnel/ginnel/sdk/dialect"

const (
	toolFunction = iota
	toolCustom
	toolName
	toolDescription
	toolParameters
	toolFormat
	toolModel
)

const (
	callFunction = iota
	callCustom
	callName
	callArguments
	callInput
	callIndex
)

var (
	toolKeys       = dialect.NewKeys("function", "custom", "name", "description", "parameters", "format", "model")
	callKeys       = dialect.NewKeys("function", "custom", "name", "arguments", "input", "index")
	detailKeys     = dialect.NewKeys("text", "summary", "index")
	predictionKeys = dialect.NewKeys("content")
)

// tools reads the definitions of tools, or of functions as the older form has them.
func (q *requestReader) tools() {
	if q.Type() != dialect.TypeArray {
		q.unseen("tools")
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		q.tool()
	}
}

func (q *requestReader) tool() {
	if q.Type() != dialect.TypeObject {
		q.unseen("tools")
		return
	}
	o := q.Object(toolKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case toolFunction, toolCustom:
			q.tool()
		case toolName, toolDescription:
			q.text(dialect.RoleNone, dialect.KindToolDef, "tools")
		case toolParameters, toolFormat:
			q.schema()
		case toolModel:
			q.into.Further = q.AppendNames(q.into.Further)
		default:
			q.Skip()
		}
	}
}

// schema reads the words of a JSON schema.
func (q *requestReader) schema() {
	q.into.Texts = q.AppendSchema(q.into.Texts, dialect.Text{Channel: dialect.Channel{Kind: dialect.KindToolDef}})
}

func (q *requestReader) toolCalls() {
	if q.Type() != dialect.TypeArray {
		q.unseen("tool_calls")
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		q.call()
	}
}

// call reads a tool call of an earlier turn, or the function in it.
func (q *requestReader) call() {
	if q.Type() != dialect.TypeObject {
		q.unseen("tool_calls")
		return
	}
	o := q.Object(callKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			return
		}
		switch key {
		case callFunction, callCustom:
			q.call()
		case callArguments, callInput:
			n, object := len(q.into.Texts), q.Type() != dialect.TypeString
			q.strings(dialect.RoleNone, dialect.KindArguments)
			if !object {
				nest(q.into.Texts[n:], key)
			}
		default:
			q.Skip()
		}
	}
}

func (q *requestReader) details() {
	if q.Type() != dialect.TypeArray {
		q.unseen("reasoning_details")
		return
	}
	q.Array()
	for n := 0; q.Item(&n); {
		if q.Type() != dialect.TypeObject {
			q.unseen("reasoning_details")
			continue
		}
		o := q.Object(detailKeys)
		for {
			key, ok := q.Next(&o)
			if !ok {
				break
			}
			if key == 0 || key == 1 {
				q.text(dialect.RoleNone, dialect.KindReasoning, "reasoning_details")
			} else {
				q.Skip()
			}
		}
	}
}

func (q *requestReader) prediction() {
	if q.Type() != dialect.TypeObject {
		q.unseen("prediction")
		return
	}
	begin := len(q.into.Texts)
	o := q.Object(predictionKeys)
	for {
		key, ok := q.Next(&o)
		if !ok {
			break
		}
		if key == 0 {
			q.content(dialect.KindText)
		} else {
			q.Skip()
		}
	}
	for i := begin; i < len(q.into.Texts); i++ {
		q.into.Texts[i].Role = dialect.RoleAssistant
	}
}

// strings reads every string of the value at hand, whose keys are its author's.
func (q *requestReader) strings(role dialect.Role, kind dialect.Kind) {
	q.into.Texts = q.AppendStrings(q.into.Texts, dialect.Text{Role: role, Channel: dialect.Channel{Kind: kind}})
}
