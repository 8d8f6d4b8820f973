package responses

import (
	"bytes"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
)

const (
	toolType = iota
	toolName
	toolDescription
	toolParameters
	toolOutputSchema
	toolInputSchema
	toolAnnotations
	toolFormat
	toolTools
	toolFunction
	toolLabel
	toolServer
	toolServerURL
	toolConnector
	toolTunnel
	toolStores
	toolFilters
	toolLocation
	toolContainer
	toolEnvironment
	toolMask
	toolModel
)

const (
	envType = iota
	envFiles
	envContainer
	envSkills
)

const (
	skillID = iota
	skillName
	skillDescription
	skillPath
)

var (
	toolKeys = dialect.NewKeys("type", "name", "description", "parameters", "output_schema", "input_schema", "annotations", "format", "tools", "function",
		"server_label", "server_description", "server_url", "connector_id", "tunnel_id", "vector_store_ids", "filters", "user_location", "container",
		"environment", "input_image_mask", "model")
	environmentKeys = dialect.NewKeys("type", "file_ids", "container_id", "skills")
	skillKeys       = dialect.NewKeys("skill_id", "name", "description", "path")
	placeKeys       = dialect.NewKeys("country", "region", "city", "timezone")
)

// tools reads the definitions of tools.
func (r *reader) tools() {
	if r.Null() {
		return
	}
	if r.Type() != dialect.TypeArray {
		r.hidden("tools")
		return
	}
	r.Array()
	for n := 0; r.Item(&n); {
		r.tool()
	}
}

func (r *reader) tool() {
	if r.Type() != dialect.TypeObject {
		r.hidden("tools")
		return
	}
	r.object(shapeTool)
}

func (r *reader) toolMember(key int) {
	switch key {
	case toolType:
		r.toolType()
	case toolName, toolDescription, toolServer:
		r.text(dialect.KindToolDef, "tools")
	case toolParameters, toolOutputSchema, toolInputSchema, toolAnnotations, toolFormat:
		r.schema()
	case toolTools:
		r.tools()
	case toolFunction:
		r.tool()
	case toolLabel, toolFilters:
		r.strings(dialect.KindStructured)
	case toolModel:
		r.further = r.AppendNames(r.further)
	case toolLocation:
		r.object(shapePlace)
	case toolServerURL:
		r.hidden("server_url")
	case toolConnector:
		r.hidden("connector_id")
	case toolTunnel:
		r.hidden("tunnel_id")
	case toolStores:
		r.kept("vector_store_ids")
	case toolContainer, toolEnvironment:
		if r.Type() == dialect.TypeObject {
			r.environment()
		} else {
			r.kept("container")
		}
	case toolMask:
		if r.Type() == dialect.TypeObject {
			r.part(dialect.KindText, 0)
		} else {
			r.hidden("input_image_mask")
		}
	}
}

// toolType marks a tool of a type that is not known: what it carries was not read.
func (r *reader) toolType() {
	s, ok := r.String()
	if !ok {
		r.Skip()
		return
	}
	word := r.word(s)
	switch string(word) {
	case "function", "custom", "namespace", "mcp", "file_search", "code_interpreter", "image_generation", "shell", "local_shell", "apply_patch",
		"computer", "computer_use_preview", "tool_search", "programmatic_tool_calling":
	default:
		if !bytes.HasPrefix(word, []byte("web_search")) {
			r.mark("tools")
		}
	}
}

// environment reads where a shell or an interpreter runs, with the skills that the model finds there.
func (r *reader) environment() { r.object(shapeEnvironment) }

func (r *reader) environs(key int) {
	switch key {
	case envFiles:
		r.kept("file_ids")
	case envContainer:
		r.ran()
	case envSkills:
		r.list(shapeSkill)
	default:
		r.Skip()
	}
}

// ran reads where a shell or an interpreter runs, or ran, by the id of that.
func (r *reader) ran() {
	if !r.vendors {
		r.kept("container_id")
	} else {
		r.contained()
	}
}

// contained reads where the code of an item ran. Where a client repeats that, the vendor runs on there as long as it can,
// unless a tool says where.
func (r *reader) contained() {
	if !r.vendors {
		r.items = r.AppendNames(r.items)
		return
	}
	if s, ok := r.String(); ok {
		r.container = s
	} else {
		r.Skip()
	}
}

// vendorsSkill is how the ids of the skills begin that are the vendor's own.
const vendorsSkill = "openai-"

func (r *reader) skill(key int) {
	if key == skillID {
		n := len(r.files)
		if r.kept("skill_id"); len(r.files) == n+1 && strings.HasPrefix(r.files[n], vendorsSkill) {
			r.files = r.files[:n]
		}
	} else {
		r.text(dialect.KindToolDef, "skills")
	}
}

func (r *reader) place(int) { r.text(dialect.KindStructured, "user_location") }

// format reads the form that an answer's text must have, whose schema is its author's.
func (r *reader) format() { r.object(shapeText) }

func (r *reader) form(int) { r.object(shapeFormat) }

func (r *reader) formMember(key int) {
	if key == formSchema {
		r.schema()
	} else {
		r.text(dialect.KindToolDef, "text")
	}
}

// instructions reads the system's words: a string or, in an answer, perhaps a list of items.
func (r *reader) instructions() {
	begin := len(r.texts)
	if r.Type() == dialect.TypeArray {
		r.Array()
		for n := 0; r.Item(&n); {
			r.instruction()
		}
		return
	}
	r.text(dialect.KindText, "instructions")
	r.speak(begin, dialect.RoleSystem)
}

func (r *reader) instruction() {
	if r.Type() == dialect.TypeObject {
		r.item()
	} else {
		r.hidden("instructions")
	}
}

// prompt reads the variables of a stored prompt. The prompt itself is out of sight.
func (r *reader) prompt() {
	if r.Null() {
		return
	}
	r.mark("prompt")
	begin := len(r.texts)
	r.object(shapePrompt)
	r.speak(begin, dialect.RoleUser)
}

// variables reads the values of an object whose keys are its author's.
func (r *reader) variables(int) {
	if r.Type() != dialect.TypeObject {
		r.Skip()
		return
	}
	o := r.Object(nil)
	for {
		if _, ok := r.Next(&o); !ok {
			return
		}
		switch r.Type() {
		case dialect.TypeObject:
			r.part(dialect.KindText, 0)
		default:
			r.text(dialect.KindText, "prompt")
		}
	}
}
