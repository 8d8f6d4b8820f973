package openai

import (
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The surfaces beside chat and embeddings. They are passed to a provider of the same dialect; what is read
// are the texts that filters see, the model and the usage.

// surfaces are the ends of their paths.
var surfaces = []struct {
	path string
	op   llm.Op
}{
	{"/moderations", llm.OpModerations},
	{"/images/generations", llm.OpImages},
	{"/audio/speech", llm.OpSpeech},
	{"/audio/transcriptions", llm.OpTranscriptions},
	{"/audio/translations", llm.OpTranslations},
	{"/images/edits", llm.OpImageEdits},
	{"/images/variations", llm.OpImageVariations},
	{"/rerank", llm.OpRerank},
	{"/completions", llm.OpCompletions}, // behind /chat/completions, which ends the same way
}

// surface returns the operation of a path, or "".
func surface(path string) llm.Op {
	for _, s := range surfaces {
		if strings.HasSuffix(path, s.path) {
			return s.op
		}
	}
	return ""
}

const (
	surfModel = iota
	surfPrompt
	surfInput
	surfSuffix
	surfInstructions
	surfUser
	surfMetadata
	surfStream
	surfStreamOptions
	surfStreamFormat
	surfMaxTokens
	surfLogprobs
	surfFile
	surfImages
	surfImage
	surfMask
)

var surfaceKeys = dialect.NewKeys("model", "prompt", "input", "suffix", "instructions", "user", "metadata", "stream", "stream_options", "stream_format", "max_tokens", "logprobs", "file_id", "images", "image", "mask")

// surface reads the body of one of the surfaces.
func (q *requestReader) surface(op llm.Op) {
	if uploads(op) { // the files are not in the form but referred to
		q.mark("images")
	}
	o := q.Object(surfaceKeys)
	first, usage := q.Pos(), false
	for {
		key, ok := q.Next(&o)
		if !ok {
			break
		}
		switch key {
		case surfModel:
			q.model()
		case surfPrompt:
			q.prompts("prompt")
		case surfInput:
			q.prompts("input")
		case surfSuffix:
			q.optional("suffix")
		case surfInstructions:
			q.optional("instructions")
		case surfUser, surfMetadata:
			q.strings(dialect.RoleNone, dialect.KindStructured)
		case surfStream:
			q.into.Stream = q.flag("stream")
		case surfStreamOptions:
			usage = true
			q.streamOptions()
		case surfStreamFormat:
			if s, ok := q.String(); ok {
				q.into.Stream = string(q.Bytes(s)) == "sse"
			} else {
				q.Skip()
			}
		case surfMaxTokens:
			q.maxTokens()
		case surfLogprobs: // they say the answer once more, in pieces
			if q.Type() == dialect.TypeNumber {
				q.mark("logprobs")
			}
			q.Skip()
		case surfFile:
			q.fileID()
		case surfImages, surfImage, surfMask:
			q.sources()
		default:
			q.Skip()
		}
	}
	switch {
	case !q.into.Stream || op != llm.OpCompletions:
		q.into.UsageSplice, q.into.IncludeUsage = dialect.Splice{}, true // what they stream tells it
	case !usage:
		q.into.UsageSplice = dialect.Splice{Span: dialect.Span{Start: first, End: first}, With: `"stream_options":{"include_usage":true},`}
	}
}

// sources reads images that are referred to: a list of them or one.
func (q *requestReader) sources() {
	switch q.Type() {
	case dialect.TypeArray:
		q.Array()
		for n := 0; q.Item(&n); {
			q.sources()
		}
	case dialect.TypeObject:
		q.part(dialect.KindText)
	default:
		q.url("images")
	}
}

// optional reads a text that may be null.
func (q *requestReader) optional(name string) {
	if !q.Null() {
		q.text(dialect.RoleUser, dialect.KindText, name)
	}
}

// prompts reads a text, a list of texts, or one of texts and images. The numbers of tokens are texts that no
// filter can read.
func (q *requestReader) prompts(name string) {
	if q.Type() != dialect.TypeArray {
		q.optional(name)
		return
	}
	begin := len(q.into.Texts)
	q.Array()
	for n := 0; q.Item(&n); {
		if q.Type() != dialect.TypeObject {
			q.text(dialect.RoleUser, dialect.KindText, name)
			continue
		}
		q.part(dialect.KindText)
	}
	for i := begin; i < len(q.into.Texts); i++ {
		q.into.Texts[i].Role = dialect.RoleUser
	}
}

// ends reports whether an event of a surface's stream is its last, by its type.
func ends(op llm.Op, kind string) bool {
	switch op {
	case llm.OpImages:
		return kind == "image_generation.completed"
	case llm.OpImageEdits:
		return kind == "image_edit.completed"
	case llm.OpTranscriptions:
		return kind == "transcript.text.done"
	case llm.OpSpeech:
		return kind == "speech.audio.done"
	}
	return false
}

var imageKeys = dialect.NewKeys("revised_prompt")

// images reads the prompts that the vendor made of the client's.
func (a *answerReader) images() {
	if a.Type() != dialect.TypeArray {
		a.Skip()
		return
	}
	a.Array()
	for n := 0; a.Item(&n); {
		if a.Type() != dialect.TypeObject {
			a.Skip()
			continue
		}
		for o := a.Object(imageKeys); ; {
			key, ok := a.Next(&o)
			if !ok {
				break
			}
			if key != 0 {
				a.Skip()
				continue
			}
			var said bool
			a.texts, said = a.AppendText(a.texts, dialect.Text{Role: dialect.RoleAssistant, Channel: dialect.Channel{Choice: dialect.ClampIndex(int64(n - 1))}, Whole: true})
			if !said {
				a.Skip()
			}
		}
	}
}
