package openai

import (
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

func TestFilesAndBatches(t *testing.T) {
	for _, c := range []struct {
		method, path string
		want         dialect.Endpoint // of no operation: it is none of these
	}{
		{"POST", "/v1/files", dialect.Endpoint{Op: llm.OpFiles, Boundary: "X"}},
		{"GET", "/v1/files", dialect.Endpoint{Op: llm.OpFiles}},
		{"GET", "/v1/files/file-1", dialect.Endpoint{Op: llm.OpFiles, Item: "file-1"}},
		{"DELETE", "/v1/files/file_1", dialect.Endpoint{Op: llm.OpFiles, Item: "file_1"}},
		{"GET", "/any/files/file-1/content", dialect.Endpoint{Op: llm.OpFiles, Item: "file-1", Act: "content"}},
		{"POST", "/v1/batches", dialect.Endpoint{Op: llm.OpBatches}},
		{"GET", "/v1/batches", dialect.Endpoint{Op: llm.OpBatches}},
		{"GET", "/v1/batches/b", dialect.Endpoint{Op: llm.OpBatches, Item: "b"}},
		{"POST", "/v1/batches/b/cancel", dialect.Endpoint{Op: llm.OpBatches, Item: "b", Act: "cancel"}},
		{"PUT", "/v1/files", dialect.Endpoint{}},
		{"DELETE", "/v1/files", dialect.Endpoint{}},
		{"POST", "/v1/files/file-1", dialect.Endpoint{}},
		{"POST", "/v1/files/file-1/content", dialect.Endpoint{}},
		{"DELETE", "/v1/batches/b", dialect.Endpoint{}},
		{"GET", "/v1/batches/b/cancel", dialect.Endpoint{}},
		{"GET", "/v1/files/", dialect.Endpoint{}},
		{"GET", "/v1/files//content", dialect.Endpoint{}},
		{"GET", "/v1/files/a.b", dialect.Endpoint{}},
		{"GET", "/v1/files/a/b/content", dialect.Endpoint{}},
	} {
		h := llm.Header{{Name: "Content-Type", Value: "multipart/form-data; boundary=X"}}
		got, ok := Codec{}.Endpoint(c.method, c.path, "", h)
		if got != c.want || ok != (c.want.Op != "") {
			t.Errorf("%s %s: %+v, %t", c.method, c.path, got, ok)
		}
		if _, ok := (Codec{}).Endpoint(c.method, c.path, "", append(h, llm.Field{Name: "Anthropic-Version", Value: "2023-06-01"})); ok {
			t.Errorf("%s %s is Anthropic's", c.method, c.path)
		}
	}
	for name, c := range map[string]struct{ body, purpose, file string }{
		"a file":             {form(field("purpose", "batch"), fileField), "batch", "RIFF\x00\xff"},
		"the file first":     {form(fileField, field("purpose", "user_data"), field("expires_after[seconds]", "60")), "user_data", "RIFF\x00\xff"},
		"no file":            {form(field("purpose", "batch")), "batch", ""},
		"two purposes":       {form(field("purpose", "user_data"), field("purpose", "batch"), fileField), "", "refused"},
		"two files":          {form(field("purpose", "batch"), fileField, fileField), "", "refused"},
		"a purpose shouted":  {form(field("Purpose", "batch"), fileField), "", "refused"},
		"it is no form data": {`{"purpose":"batch"}`, "", "refused"},
	} {
		r := dialect.Request{Boundary: "X"}
		err := Codec{}.Request(llm.OpFiles, []byte(c.body), &r)
		if (err != nil) != (c.file == "refused") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil && (r.Purpose != c.purpose || c.body[r.File.Start:r.File.End] != c.file || r.Unseen == "") {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
