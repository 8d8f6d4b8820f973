package scan

import (
	"strings"

	"github.com/corazawaf/libinjection-go"
)

// xss asks libinjection, which finds tags, handlers and URLs of scripts: nothing of them goes
// without one of two characters.
func xss(v string) bool { return strings.ContainsAny(v, "<=") && libinjection.IsXSS(v) }
