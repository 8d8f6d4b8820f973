package responses

import (
	"bytes"
	"slices"

	"github.com/ginnel/ginnel/sdk/dialect"
)

const (
	itemType = iota
	itemRole
	itemContent
	itemSummary
	itemArguments
	itemInput
	itemCode
	itemOutput
	itemOutputs
	itemQueries
	itemResults
	itemResult
	itemAction
	itemActions
	itemOperation
	itemTools
	itemError
	itemReason
	itemName
	itemNamespace
	itemLabel
	itemPending
	itemAcknowledged
	itemEnvironment
	itemOwnID
	itemContainer
	itemEncrypted
)

const (
	actionQuery = iota
	actionQueries
	actionURL
	actionPattern
	actionText
	actionKeys
	actionCommand
	actionCommands
	actionEnv
	actionDirectory
	actionUser
	actionSources
)

var (
	itemKeys = dialect.NewKeys("type", "role", "content", "summary", "arguments", "input", "code", "output", "outputs", "queries", "results", "result",
		"action", "actions", "operation", "tools", "error", "reason", "name", "namespace", "server_label", "pending_safety_checks", "acknowledged_safety_checks", "environment",
		"id", "container_id", "encrypted_content")
	stepKeys   = dialect.NewKeys("query", "queries", "url", "pattern", "text", "keys", "command", "commands", "env", "working_directory", "user", "sources")
	outputKeys = dialect.NewKeys("logs", "url")
	resultKeys = dialect.NewKeys("text", "filename", "attributes")
	sourceKeys = dialect.NewKeys("url")
	patchKeys  = dialect.NewKeys("path", "diff")
	faultKeys  = dialect.NewKeys("message", "content")
	checkKeys  = dialect.NewKeys("message")
)

// kindOf says what an item is, by its type.
type kindOf uint8

const (
	kindUnknown    kindOf = iota
	kindMessage           // words of a role
	kindReasoning         // the model's thinking
	kindCall              // the model asks for a tool
	kindResult            // what a tool gave back
	kindImage             // a call whose result is an image
	kindAnswer            // the user's answer to a question of the model's
	kindDefinition        // tools
	kindOpaque            // what stands for other content
)

// typeOf returns the kind of an item of a type.
func typeOf(word []byte) kindOf {
	switch string(word) {
	case "message":
		return kindMessage
	case "reasoning":
		return kindReasoning
	case "function_call", "custom_tool_call", "web_search_call", "file_search_call", "computer_call", "code_interpreter_call", "local_shell_call",
		"shell_call", "apply_patch_call", "mcp_call", "mcp_approval_request", "tool_search_call", "program":
		return kindCall
	case "function_call_output", "custom_tool_call_output", "computer_call_output", "local_shell_call_output", "shell_call_output",
		"apply_patch_call_output", "program_output":
		return kindResult
	case "image_generation_call":
		return kindImage
	case "mcp_approval_response":
		return kindAnswer
	case "mcp_list_tools", "tool_search_output", "additional_tools", "compaction_trigger":
		return kindDefinition
	case "item_reference", "compaction":
		return kindOpaque
	}
	return kindUnknown
}

// item reads one item of a request or an answer. Its type and its role may stand after its texts.
func (r *reader) item() {
	begin, role, kind := len(r.texts), dialect.RoleNone, kindUnknown
	var name dialect.Span // of the type
	result := -1          // the text that may be an image
	said := false         // it has the members of a message
	acts := false         // it has a role
	filled := false       // it has a content, whatever that is
	var has held          // of what it is about
	r.id, r.container = dialect.Span{}, dialect.Span{}
	o := r.Object(itemKeys)
	for {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		switch key {
		case itemType:
			if s, ok := r.String(); ok {
				name, kind = s, typeOf(r.word(s))
			} else {
				r.Skip()
			}
		case itemRole:
			role, said, acts = r.role(), true, true
		case itemContent:
			n := len(r.texts)
			said, filled = true, r.Type() != dialect.TypeNull
			r.content(dialect.KindText, "content")
			has.said = has.said || r.says(n)
		case itemEncrypted:
			has.sealed = r.sealed()
		case itemResult:
			result = len(r.texts)
			r.text(dialect.KindToolResult, "result")
			has.drawn = r.says(result)
		case itemOwnID:
			r.readID()
		case itemOutput, itemOutputs, itemResults, itemError:
			at := r.Pos()
			r.member(key)
			value := bytes.Trim(r.Bytes(dialect.Span{Start: at, End: r.Pos()}), "[]{}\" \t\r\n")
			has.result = has.result || len(value) > 0 && string(value) != "null"
		default:
			r.member(key)
		}
	}
	if kind == kindUnknown && name.Len() == 0 && said && (r.id.Len() == 0 || acts && filled) {
		kind = kindMessage // as the short form of a message leaves it out
	}
	if kind == kindImage && result >= 0 && result < len(r.texts) {
		r.texts = append(r.texts[:result], r.texts[result+1:]...)
	}
	r.settle(begin, kind, role)
	r.compaction = string(r.word(name)) == "compaction"
	if word := string(r.word(name)); r.vendors {
		r.named = kind == kindReasoning && !has.sealed && has.said || kind == kindCall && has.less(kind, word)
	} else {
		r.refers(kind, word, has)
	}
	switch {
	case kind == kindUnknown && name.Len() > 0:
		r.mark("type")
	case kind == kindUnknown:
		r.mark("item_reference")
	case kind == kindOpaque:
		r.mark(string(r.word(name)))
	}
	r.called = r.called || kind != kindMessage && kind != kindReasoning
}

// readID reads an item's id. What is none is nobody's.
func (r *reader) readID() {
	if s, ok := r.String(); ok {
		r.id = s
	} else if r.vendors {
		r.Skip()
	} else {
		r.files = r.AppendNames(r.files)
	}
}

// says reports whether a text from begin on has words.
func (r *reader) says(begin int) bool {
	return slices.ContainsFunc(r.texts[begin:], func(t dialect.Text) bool { return t.Span.Len() > 0 })
}

// sealed reads what only the vendor can read, and reports whether there is some.
func (r *reader) sealed() bool {
	s, ok := r.String()
	if !ok {
		r.Skip()
	}
	return s.Len() > 0
}

// held is what an item has of what it is about.
type held struct{ said, sealed, drawn, result bool }

// less reports whether an item has less than the vendor has under its id: thoughts that only the vendor can write, an
// image, what came of a call that the vendor made itself.
func (h held) less(kind kindOf, name string) bool {
	switch kind {
	case kindReasoning:
		return !h.sealed
	case kindOpaque: // a compaction: what is a reference stands for nothing but its id
		return !h.sealed
	case kindImage, kindUnknown:
		return !h.said && !h.sealed && !h.drawn
	case kindCall:
		switch name {
		case "web_search_call", "file_search_call", "code_interpreter_call", "mcp_call":
			return !h.result
		}
	}
	return false
}

// refers notes what a request's item names of what the vendor keeps: itself where it is a reference, and where it
// repeats without saying it what a model thought or drew, or what the vendor found. Of the latter a vendor to which it is
// translated takes what it says.
func (r *reader) refers(kind kindOf, name string, has held) {
	if r.id.Len() == 0 {
		return
	}
	if r.compacts && r.compaction {
		r.compactions = append(r.compactions, dialect.TextOf(r.Bytes(r.id), ""))
	}
	switch {
	case kind == kindOpaque && name == "item_reference", kind == kindUnknown && name == "":
		r.files = append(r.files, dialect.TextOf(r.Bytes(r.id), ""))
	case has.less(kind, name):
		r.items = append(r.items, dialect.TextOf(r.Bytes(r.id), ""))
	}
}

// settle gives the texts of an item from begin on what its type says of them.
func (r *reader) settle(begin int, kind kindOf, role dialect.Role) {
	switch kind {
	case kindReasoning, kindCall, kindImage:
		role = dialect.RoleAssistant
	case kindResult:
		role = dialect.RoleTool
	case kindAnswer:
		role = dialect.RoleUser
	}
	for i := begin; i < len(r.texts); i++ {
		t := &r.texts[i]
		if t.Role = role; kind == kindCall && t.Channel.Kind == dialect.KindToolResult {
			t.Role = dialect.RoleTool // a tool that the vendor ran
		}
		switch {
		case t.Channel.Kind != dialect.KindText:
		case kind == kindReasoning:
			t.Channel.Kind = dialect.KindReasoning
		case role == dialect.RoleTool:
			t.Channel.Kind = dialect.KindToolResult
		}
	}
}

// member reads what is a text whatever the item's type is.
func (r *reader) member(key int) {
	switch key {
	case itemSummary:
		r.summary()
	case itemArguments:
		if r.Type() == dialect.TypeString {
			n := len(r.texts)
			r.textIn(dialect.KindArguments, 0, false, "")
			for i := n; i < len(r.texts); i++ {
				r.texts[i].Nested = true
			}
		} else {
			r.strings(dialect.KindArguments)
		}
	case itemInput, itemCode:
		r.textIn(dialect.KindArguments, 0, false, "input")
	case itemOutput:
		r.content(dialect.KindToolResult, "output")
	case itemOutputs:
		r.list(shapeOutput)
	case itemQueries:
		r.strings(dialect.KindArguments)
	case itemResults:
		r.list(shapeFound)
	case itemAction:
		r.action()
	case itemActions:
		r.actions()
	case itemOperation:
		r.object(shapeOperation)
	case itemTools:
		r.tools()
	case itemError:
		if r.Type() == dialect.TypeObject {
			r.object(shapeFault)
		} else {
			r.text(dialect.KindToolResult, "error")
		}
	case itemReason:
		r.text(dialect.KindText, "reason")
	case itemName, itemNamespace, itemLabel:
		r.text(dialect.KindStructured, "name")
	case itemPending, itemAcknowledged:
		r.list(shapeCheck)
	case itemEnvironment:
		r.environment()
	case itemContainer:
		r.contained()
	default:
		r.Skip()
	}
}

func (r *reader) output(key int) {
	if key == 0 {
		r.text(dialect.KindToolResult, "logs")
	} else {
		r.url("url")
	}
}

func (r *reader) found(key int) {
	if key == 0 {
		r.text(dialect.KindToolResult, "text")
	} else {
		r.strings(dialect.KindStructured)
	}
}

func (r *reader) argument(int) { r.text(dialect.KindArguments, "operation") }

func (r *reader) fault(int) { r.strings(dialect.KindToolResult) }

func (r *reader) check(int) { r.text(dialect.KindText, "message") }

// action reads what a search, a shell or a computer is told to do.
func (r *reader) action() { r.object(shapeAction) }

func (r *reader) actions() {
	if r.Type() != dialect.TypeArray {
		r.Skip()
		return
	}
	r.Array()
	for n := 0; r.Item(&n); {
		r.action()
	}
}

func (r *reader) step(key int) {
	switch {
	case key == actionSources:
		r.list(shapeSource)
	case key == actionCommands && r.Type() == dialect.TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			r.textIn(dialect.KindArguments, index(int64(n-1)), false, "commands")
		}
	default:
		r.strings(dialect.KindArguments)
	}
}

func (r *reader) source(int) { r.text(dialect.KindStructured, "sources") }

// summary reads the parts of a summary of the model's thinking.
func (r *reader) summary() {
	if r.Type() != dialect.TypeArray {
		r.text(dialect.KindReasoning, "summary")
		return
	}
	r.Array()
	for n := 0; r.Item(&n); {
		if r.Type() != dialect.TypeObject {
			r.text(dialect.KindReasoning, "summary")
			continue
		}
		r.part(dialect.KindReasoning, -index(int64(n)))
	}
}

func (r *reader) role() dialect.Role {
	s, ok := r.String()
	if !ok {
		r.Skip()
		return dialect.RoleNone
	}
	switch string(r.word(s)) {
	case "system", "developer":
		return dialect.RoleSystem
	case "user":
		return dialect.RoleUser
	case "assistant":
		return dialect.RoleAssistant
	case "tool", "function":
		return dialect.RoleTool
	}
	return dialect.RoleNone
}
