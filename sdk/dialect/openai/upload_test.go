package openai

import (
	"errors"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// form writes form data with the boundary X; \n stands for the end of a line.
func form(parts ...string) string {
	return strings.ReplaceAll("--X\n"+strings.Join(parts, "\n--X\n")+"\n--X--\n", "\n", "\r\n")
}

const fileField = "Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\nContent-Type: audio/wav\n\nRIFF\x00\xff"

func field(name, value string) string {
	return "Content-Disposition: form-data; name=\"" + name + "\"\n\n" + value
}

func TestUploads(t *testing.T) {
	for name, c := range map[string]struct {
		kind, body string
		model      string // "" = refused
		stream     bool
	}{
		"a file and a model":       {"multipart/form-data; boundary=X", form(fileField, field("model", "m")), "m", false},
		"a quoted boundary":        {`multipart/form-data; boundary="X"`, form(field("model", "m"), fileField), "m", false},
		"a stream":                 {"multipart/form-data; boundary=X", form(field("model", "m"), field("stream", "true")), "m", true},
		"two files":                {"multipart/form-data; boundary=X", form(field("image[]", "a"), field("image[]", "b"), field("model", "m")), "m", false},
		"two models":               {"multipart/form-data; boundary=X", form(field("model", "m"), field("model", "n")), "", false},
		"a model in another case":  {"multipart/form-data; boundary=X", form(field("Model", "m")), "", false},
		"a model of two lines":     {"multipart/form-data; boundary=X", form(field("model", "m\nn")), "", false},
		"a name by another rule":   {"multipart/form-data; boundary=X", form("Content-Disposition: form-data; name=\"a\"; name*=utf-8''model\n\nm"), "", false},
		"two heads of a part":      {"multipart/form-data; boundary=X", form("Content-Disposition: form-data; name=\"a\"\nContent-Disposition: form-data; name=\"model\"\n\nm"), "", false},
		"a folded head":            {"multipart/form-data; boundary=X", form("Content-Disposition: form-data;\n name=\"model\"\n\nm"), "", false},
		"a part without a name":    {"multipart/form-data; boundary=X", form("Content-Disposition: form-data\n\nm"), "", false},
		"another boundary":         {"multipart/form-data; boundary=Y", form(field("model", "m")), "", false},
		"something before it":      {"multipart/form-data; boundary=X", "hello\r\n" + form(field("model", "m")), "", false},
		"something behind it":      {"multipart/form-data; boundary=X", form(field("model", "m")) + "--X\r\n", "", false},
		"half of it":               {"multipart/form-data; boundary=X", form(field("model", "m"))[:40], "", false},
		"a boundary in a file":     {"multipart/form-data; boundary=X", strings.Replace(form(field("file", "HERE"), field("model", "m")), "HERE", "a\n--X\nb", 1), "", false},
		"a longer one in a file":   {"multipart/form-data; boundary=X", form(field("file", "a\n--XY\nb"), field("model", "m")), "", false},
		"no boundary":              {"multipart/form-data", form(field("model", "m")), "", false},
		"another kind":             {"multipart/mixed; boundary=X", form(field("model", "m")), "", false},
		"a stream of another kind": {"multipart/form-data; boundary=X", form(field("model", "m"), field("stream", "perhaps")), "", false},
		"JSON":                     {"application/json", `{"model":"m","images":[{"image_url":"https://example.com/a.png"}]}`, "m", false},
	} {
		e, ok := Codec{}.Endpoint("POST", "/v1/images/edits", "", llm.Header{{Name: "Content-Type", Value: c.kind}})
		if !ok || e.Op != llm.OpImageEdits {
			t.Fatal(e)
		}
		r := dialect.Request{Boundary: e.Boundary}
		err := Codec{}.Request(e.Op, []byte(c.body), &r)
		var refused *llm.Error
		if c.model == "" && (!errors.As(err, &refused) || refused.Code != llm.CodeInvalid) || c.model != "" && (err != nil || r.Model != c.model || r.Stream != c.stream || r.Unseen == "") {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		if c.model == "" || e.Boundary == "" {
			continue
		}
		span, other := Codec{}.SetModel([]byte(c.body), &r, "other")
		body := c.body[:span.Start] + string(other) + c.body[span.End:]
		again := dialect.Request{Boundary: e.Boundary}
		if err := (Codec{}).Request(e.Op, []byte(body), &again); err != nil || again.Model != "other" || len(body) != len(c.body)+len("other")-len(c.model) {
			t.Errorf("%s: renamed: %v, %s", name, err, body)
		}
	}
	h := llm.Header{{Name: "Content-Type", Value: "multipart/form-data; boundary=X"}, {Name: "content-type", Value: "multipart/form-data; boundary=Y"}}
	if e, _ := (Codec{}).Endpoint("POST", "/v1/audio/transcriptions", "", h); e.Boundary != "" {
		t.Error("two content types")
	}
}

// FuzzUploads: nothing panics, and what is read is where it is said to be.
func FuzzUploads(f *testing.F) {
	f.Add([]byte(form(fileField, field("model", "m"))))
	f.Add([]byte(form(field("model", "m"), field("stream", "true"))))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := dialect.Request{Boundary: "X"}
		if err := (Codec{}).Request(llm.OpTranscriptions, body, &r); err == nil && string(body[r.ModelSpan.Start:r.ModelSpan.End]) != r.Model {
			t.Errorf("%q at %v", r.Model, r.ModelSpan)
		}
	})
}

// TestEscapedNamesOfParts are read in two ways, as "model" and not: they are refused.
func TestEscapedNamesOfParts(t *testing.T) {
	body := "--y\r\nContent-Disposition: form-data; name=\"mod\\el\"\r\n\r\nforbidden\r\n--y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--y--\r\n"
	q := dialect.Request{Boundary: "y"}
	if err := (Codec{}).Request(llm.OpTranscriptions, []byte(body), &q); err == nil {
		t.Errorf("it passes as a call of %q", q.Model)
	}
}

// TestFormsNameFiles: some vendors take the id of a file in the place of a file.
func TestFormsNameFiles(t *testing.T) {
	r := dialect.Request{Boundary: "X"}
	if err := (Codec{}).Request(llm.OpTranscriptions, []byte(form(field("model", "m"), field("file_id", "f-1"))), &r); err != nil || len(r.Files) != 1 || r.Files[0] != "f-1" {
		t.Errorf("%q %v", r.Files, err)
	}
	bodies := []string{form(field("model", "m"), field("file_id", "f-1"), field("file_id", "f-2"))}
	for _, name := range []string{"File_ID", "file_id[]", "file_ids", "FILE_IDs[0]", "file_id.0", "file_id "} {
		bodies = append(bodies, form(field("model", "m"), field(name, "f-1")))
	}
	for _, body := range bodies {
		for _, op := range []llm.Op{llm.OpTranscriptions, llm.OpFiles} { // the latter as which what goes into a container is read
			q := dialect.Request{Boundary: "X"}
			if err := (Codec{}).Request(op, []byte(body), &q); err == nil {
				t.Errorf("%s: %q passes", op, body)
			}
		}
	}
}
