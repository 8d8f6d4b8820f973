package responses

import "github.com/ginnel/ginnel/sdk/dialect"

const (
	partType = iota
	partText
	partRefusal
	partAnnotations
	partStdout
	partStderr
	partFilename
	partFileID
	partImage
	partFileURL
	partFileData
)

var (
	partKeys       = dialect.NewKeys("type", "text", "refusal", "annotations", "stdout", "stderr", "filename", "file_id", "image_url", "file_url", "file_data")
	annotationKeys = dialect.NewKeys("title", "url", "filename")
)

// content reads a string, a list of parts or one part.
func (r *reader) content(kind dialect.Kind, name string) {
	switch r.Type() {
	case dialect.TypeObject:
		r.part(kind, 0)
	case dialect.TypeArray:
		r.Array()
		for n := 0; r.Item(&n); {
			if r.Type() == dialect.TypeObject {
				r.part(kind, index(int64(n-1)))
			} else {
				r.textIn(kind, index(int64(n-1)), false, name)
			}
		}
	default:
		r.textIn(kind, 0, false, name)
	}
}

// part reads a part of a message, of a tool's output or of the model's thinking as the given block.
// Its type may stand after its text.
func (r *reader) part(kind dialect.Kind, block int16) {
	begin := len(r.texts)
	thinking := false
	o := r.Object(partKeys)
	for {
		key, ok := r.Next(&o)
		if !ok {
			break
		}
		switch key {
		case partType:
			thinking = r.partType()
		case partText:
			r.textIn(kind, block, false, "text")
		case partRefusal:
			r.textIn(dialect.KindRefusal, block, false, "refusal")
		case partAnnotations:
			r.list(shapeAnnotation)
		case partStdout, partStderr:
			r.textIn(kind, 2*block+int16(key-partStdout), false, "output")
		case partFilename:
			r.text(dialect.KindStructured, "filename")
		case partFileID:
			r.kept("file_id")
		case partImage:
			r.url("image_url")
		case partFileURL:
			r.url("file_url")
		case partFileData:
			r.data("file_data")
		default:
			r.Skip()
		}
	}
	for i := begin; thinking && i < len(r.texts); i++ {
		if r.texts[i].Channel.Kind == kind {
			r.texts[i].Channel.Kind = dialect.KindReasoning
		}
	}
}

// partType reports whether a part is of the model's thinking, and marks one of a type that is not
// known: whatever it carries was not read.
func (r *reader) partType() (thinking bool) {
	s, ok := r.String()
	if !ok {
		r.Skip()
		return false
	}
	switch string(r.word(s)) {
	case "reasoning_text", "summary_text":
		return true
	case "input_text", "output_text", "text", "refusal", "input_image", "input_file", "input_audio", "computer_screenshot":
	default:
		r.mark("type")
	}
	return false
}

// annotation reads what points from a text to its source.
func (r *reader) annotation(int) { r.text(dialect.KindStructured, "annotations") }
