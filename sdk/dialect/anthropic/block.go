package anthropic

import (
	"bytes"

	"github.com/ginnel/ginnel/sdk/dialect"
)

const (
	blockType = iota
	blockText
	blockThinking
	blockInput
	blockContent
	blockLines
	blockSource
	blockCitations
	blockFile
	blockTool
	blockTools
	blockReferences
	blockTabs
	blockChanges
	blockSealed
	blockName                  // and four more names that the model sees
	blockTitle = blockName + 5 // and what else is words
)

const (
	sourceType = iota
	sourceData
	sourceURL
	sourceFile
	sourceContent
)

const (
	toolName = iota
	toolDescription
	toolSchema
	toolExamples
	toolLocation
	toolDefinition
	toolTools
	toolServer
	toolModel
)

var (
	blockKeys = dialect.NewKeys("type", "text", "thinking", "input", "content", "lines", "source", "citations", "file_id",
		"tool", "tools", "tool_references", "tabs", "state_changes", "encrypted_content",
		"name", "tool_name", "server_name", "mcp_server_name", "toolset_name",
		"title", "context", "url", "stdout", "stderr", "page_age", "retrieved_at", "error_message", "error", "path")
	sourceKeys   = dialect.NewKeys("type", "data", "url", "file_id", "content")
	citationKeys = dialect.NewKeys("cited_text", "document_title", "title", "source", "url")
	toolKeys     = dialect.NewKeys("name", "description", "input_schema", "input_examples", "user_location", "definition", "tools", "server_name", "model")
	placeKeys    = dialect.NewKeys("city", "region", "country", "timezone")
)

// class is what the type of a block says about the texts in it.
type class uint8

const (
	classOther   class = iota
	classWords         // a stream adds to its text: text, thinking
	classSummary       // so it does to this one, which stands for an earlier part of the conversation
	classResult        // what a tool gave back
	classOutput        // a piece of that; a file in it is of the vendor's own making
)

// reader reads what requests, answers and events have in common: content blocks. The texts that it
// appends have no role but those of tool results.
type reader struct {
	dialect.Reader
	texts   []dialect.Text
	further []string // models that the vendor is to run besides
	files   []string // what the vendor keeps
	hidden  string   // the first field that holds what cannot be seen
}

// content reads words: a string, a list of blocks, or one block.
func (r *reader) content(name string) {
	switch r.Type() {
	case dialect.TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			if r.Type() == dialect.TypeObject {
				r.block()
			} else {
				r.text(dialect.KindText, name)
			}
		}
	case dialect.TypeObject:
		r.block()
	default:
		r.text(dialect.KindText, name)
	}
}

// block reads a content block, or a part of one that is an object, and returns what it is. Its type
// may stand after its texts, and each type's keys mean the same in every other, so that what a block
// carries beside its type's own keys is seen too.
func (r *reader) block() class {
	begin, c, sealed := len(r.texts), classOther, false
	var own []string // what the block itself names
	for o := r.Object(blockKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		switch {
		case key < 0:
			r.Skip()
		case key == blockType:
			c = r.class()
		case key == blockText:
			r.text(dialect.KindText, "text")
		case key == blockThinking:
			r.text(dialect.KindReasoning, "thinking")
		case key == blockInput:
			r.strings(dialect.KindArguments)
		case key == blockContent, key == blockReferences, key == blockTabs, key == blockChanges:
			r.content("content")
		case key == blockLines:
			r.strings(dialect.KindText)
		case key == blockSource:
			r.source()
		case key == blockCitations:
			r.citations()
		case key == blockFile:
			before := len(r.files)
			r.kept("file_id")
			own, r.files = r.files[before:len(r.files):len(r.files)], r.files[:before:before]
		case key == blockSealed:
			sealed = !r.Null()
			if sealed {
				r.Skip()
			}
		case key == blockTool, key == blockTools:
			r.tools("tools")
		case key < blockTitle:
			r.text(dialect.KindStructured, "name")
		default:
			r.text(dialect.KindText, "content")
		}
	}
	if c == classSummary && sealed {
		r.mark("encrypted_content")
	}
	if c != classOutput {
		r.files = append(r.files, own...)
	}
	if c == classResult {
		for i := begin; i < len(r.texts); i++ {
			t := &r.texts[i]
			t.Role = dialect.RoleTool
			if t.Channel.Kind == dialect.KindText {
				t.Channel.Kind = dialect.KindToolResult
			}
		}
	}
	return c
}

// class reads a block's type. What a block of a type that is not known carries was perhaps not read.
func (r *reader) class() class {
	s, ok := r.String()
	if !ok {
		r.Skip()
		r.mark("type")
		return classOther
	}
	raw := r.Bytes(s)
	switch string(raw) {
	case "text", "thinking":
		return classWords
	case "compaction":
		return classSummary
	case "tool_result":
		return classResult
	case "image", "document", "search_result", "redacted_thinking", "tool_use", "server_tool_use", "mcp_tool_use", "container_upload",
		"tool_addition", "tool_removal", "mcp_tool_listing", "tool_reference", "fallback",
		"browser_state", "tab_opened", "download_started", "download_completed", "download_failed":
		return classOther
	}
	switch {
	case bytes.HasSuffix(raw, []byte("_tool_result")):
		return classResult
	case bytes.HasSuffix(raw, []byte("_result")), bytes.HasSuffix(raw, []byte("_result_error")):
		return classOther // inside a tool's result
	case bytes.HasSuffix(raw, []byte("_output")):
		return classOutput
	}
	r.mark("type")
	return classOther
}

// source reads where an image or a document comes from. Text is text, base64 is media, and what a URL
// or a file's id points at is out of sight. A search result names its source by a string.
func (r *reader) source() {
	if r.Type() != dialect.TypeObject {
		r.text(dialect.KindStructured, "source")
		return
	}
	data, known, text := -1, false, false
	for o := r.Object(sourceKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		switch key {
		case sourceType:
			if s, ok := r.String(); !ok {
				r.Skip()
			} else {
				switch string(r.Bytes(s)) {
				case "text":
					known, text = true, true
				case "base64", "url", "file", "content":
					known = true
				}
			}
		case sourceData:
			before := len(r.texts)
			if r.text(dialect.KindText, "source"); len(r.texts) > before {
				data = before
			}
		case sourceURL:
			r.url()
		case sourceFile:
			r.kept("file_id")
		case sourceContent:
			r.content("source")
		default:
			r.Skip()
		}
	}
	if !known {
		r.mark("source")
	}
	if data >= 0 && !text {
		r.texts = append(r.texts[:data], r.texts[data+1:]...)
	}
}

// citations reads a list of citations, or one; a document's say only whether there are to be any.
// They repeat words of a document and are complete in themselves.
func (r *reader) citations() {
	switch r.Type() {
	case dialect.TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			r.citations()
		}
		return
	case dialect.TypeObject:
	default:
		r.Skip()
		return
	}
	begin := len(r.texts)
	for o := r.Object(citationKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		if key < 0 {
			r.Skip()
		} else {
			r.text(dialect.KindText, "citations")
		}
	}
	for i := begin; i < len(r.texts); i++ {
		r.texts[i].Channel.Repeat = true
	}
}

// tools reads definitions of tools, or one.
func (r *reader) tools(name string) {
	switch r.Type() {
	case dialect.TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			r.tools(name)
		}
		return
	case dialect.TypeObject:
	default:
		r.unseen(name)
		return
	}
	for o := r.Object(toolKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			return
		}
		switch key {
		case toolName, toolDescription, toolServer:
			r.text(dialect.KindToolDef, name)
		case toolSchema:
			r.texts = r.AppendSchema(r.texts, like(dialect.KindToolDef))
		case toolExamples:
			r.strings(dialect.KindToolDef)
		case toolLocation:
			r.place()
		case toolModel: // of an advisor
			r.further = r.AppendNames(r.further)
		case toolDefinition, toolTools:
			r.tools(name)
		default:
			r.Skip()
		}
	}
}

// place reads where the user is.
func (r *reader) place() {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return
	}
	for o := r.Object(placeKeys); ; {
		key, ok := r.Next(&o)
		if !ok {
			return
		}
		if key < 0 {
			r.Skip()
		} else {
			r.text(dialect.KindStructured, "user_location")
		}
	}
}

func like(kind dialect.Kind) dialect.Text { return dialect.Text{Channel: dialect.Channel{Kind: kind}} }

// text reads a string as a text; anything else but null is out of sight.
func (r *reader) text(kind dialect.Kind, name string) {
	var ok bool
	if r.texts, ok = r.AppendText(r.texts, like(kind)); !ok {
		r.unseen(name)
	}
}

// strings reads every string of the value at hand, whose keys are its author's.
func (r *reader) strings(kind dialect.Kind) { r.texts = r.AppendStrings(r.texts, like(kind)) }

// speak gives a role to the texts from begin on that have none. Definitions of tools are nobody's.
func (r *reader) speak(begin int, role dialect.Role) {
	for i := begin; i < len(r.texts); i++ {
		if t := &r.texts[i]; t.Role == dialect.RoleNone && t.Channel.Kind != dialect.KindToolDef {
			t.Role = role
		}
	}
}

// unseen skips the value at hand and marks it unless it is null.
func (r *reader) unseen(name string) {
	if !r.Null() {
		r.Skip()
		r.mark(name)
	}
}

// kept reads the ids at hand of what the vendor keeps.
func (r *reader) kept(name string) {
	n := len(r.files)
	if r.files = r.AppendNames(r.files); len(r.files) > n {
		r.mark(name)
	}
}

// url reads where a source is.
func (r *reader) url() {
	if s, ok := r.String(); ok {
		r.files = dialect.AppendURL(r.files, r.Bytes(s))
		r.mark("url")
		return
	}
	r.unseen("url")
}

func (r *reader) mark(name string) {
	if r.hidden == "" {
		r.hidden = name
	}
}
