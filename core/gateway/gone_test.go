package gateway

import "testing"

// TestSaysGone: only a vendor's own word about an object is one, not that a path is wrong, nor a page of somebody else's.
func TestSaysGone(t *testing.T) {
	for answer, want := range map[string]bool{
		`{"error":{"message":"No such File object: file-1","type":"invalid_request_error","param":"id","code":null}}`:        true,
		`{"error":{"message":"No such object","type":"invalid_request_error","param":"id"}}`:                                 true,
		`{"error":{"code":"notFound","message":"The file 'file-1' does not exist."}}`:                                        true,
		`{"error":{"message":"file-1 is not here"}}`:                                                                         true,
		`{"error":{"message":"Invalid URL (GET /v1/files/file-1)","type":"invalid_request_error","param":null,"code":null}}`: false,
		`{"error":{"message":"Resource not found"}}`:                                                                         false,
		`{"error":"file-1"}`:     false,
		`{"detail":"Not Found"}`: false,
		`<h1>404</h1>`:           false,
		``:                       false,
		`{"error":null}`:         false,
	} {
		if got := saysGone([]byte(answer), "file-1"); got != want {
			t.Errorf("%s: %t", answer, got)
		}
	}
}
