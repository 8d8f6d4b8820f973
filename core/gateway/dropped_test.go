package gateway

import (
	"strconv"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

// TestDroppedFieldsFitAHeader: each stands once, in characters that a header carries, and those that do not fit are counted.
func TestDroppedFieldsFitAHeader(t *testing.T) {
	if got := dropped([]conversation.Loss{{Field: "a, b\r\nc"}, {Field: "user"}, {Field: "user"}}); got != "a__b__c, user" {
		t.Errorf("%q", got)
	}
	var many []conversation.Loss
	for i := range 5000 {
		many = append(many, conversation.Loss{Field: "messages[" + strconv.Itoa(i) + "].name"}, conversation.Loss{Field: "user"})
	}
	got := dropped(many)
	fields := strings.Split(got, ", ")
	n := len(fields) - 1
	if len(got) > mostDropped+100 || fields[n] != "and "+strconv.Itoa(5001-n)+" more" {
		t.Errorf("%d bytes that end with %q behind %d fields", len(got), fields[n], n)
	}
}
