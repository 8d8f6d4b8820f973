package scan

import "github.com/corazawaf/libinjection-go"

func xss(v string) bool { return libinjection.IsXSS(v) }
