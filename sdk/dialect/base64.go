package dialect

import "strings"

// Base64 returns base64 in its usual alphabet, and filled up (RFC 4648, section 4), of what may be base64url (section 5).
func Base64(s string) string {
	if strings.ContainsAny(s, "-_") {
		s = alphabet.Replace(s)
	}
	if n := len(s) % 4; n > 1 {
		s += "=="[n-2:]
	}
	return s
}

var alphabet = strings.NewReplacer("-", "+", "_", "/")
