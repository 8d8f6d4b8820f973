package dialect

import (
	"testing"

	"github.com/ginnel/ginnel/sdk/llm"
)

func TestBoundary(t *testing.T) {
	for kind, want := range map[string]string{
		"multipart/form-data; boundary=abc": "abc", `Multipart/Form-Data; charset=x; boundary="a b'()+_,-./:=?z"`: "a b'()+_,-./:=?z",
		"multipart/form-data": "", "multipart/mixed; boundary=abc": "", "application/json": "", `multipart/form-data; boundary="a "`: "",
		"multipart/form-data; boundary*=us-ascii''a%0D%0Ab": "", `multipart/form-data; boundary="a@b"`: "", `multipart/form-data; boundary="\u00e4"`: "",
		"multipart/form-data; boundary=0123456789012345678901234567890123456789012345678901234567890123456789x": "",
	} {
		if got := Boundary(llm.Header{{Name: "Content-Type", Value: kind}}); got != want {
			t.Errorf("%s: %q", kind, got)
		}
	}
	if got := Boundary(llm.Header{{Name: "Content-Type", Value: "multipart/form-data; boundary=a"}, {Name: "content-type", Value: "multipart/form-data; boundary=a"}}); got != "" {
		t.Errorf("two types: %q", got)
	}
}
