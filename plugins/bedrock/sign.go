package bedrock

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
)

// The names of a signature: its algorithm, the service that calls are signed for, and the forms of times.
const (
	algorithm = "AWS4-HMAC-SHA256"
	service   = "bedrock"
	dateForm  = "20060102"
	timeForm  = "20060102T150405Z"
)

// signer signs requests with Signature Version 4. Source: "Create a signed AWS API request" of the vendor's
// guide to identity and access management.
type signer struct{ region, id, secret, session string }

// sign adds the time, the session's token and the signature to a request to a host. Signed are those, the host and
// the content type.
func (s *signer) sign(r *egress.Request, host string, now time.Time) {
	now = now.UTC()
	r.Header.Set("X-Amz-Date", now.Format(timeForm))
	signed := []string{"content-type", "host", "x-amz-date"}
	if s.session != "" {
		r.Header.Set("X-Amz-Security-Token", s.session)
		signed = append(signed, "x-amz-security-token")
	}
	var canonical strings.Builder
	// every service but one wants the path, which is encoded already, encoded once more
	canonical.WriteString(r.Method + "\n" + encodePath(r.Path) + "\n\n")
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = host
		}
		canonical.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	names := strings.Join(signed, ";")
	canonical.WriteString("\n" + names + "\n" + digest(r.Body))
	scope := now.Format(dateForm) + "/" + s.region + "/" + service + "/aws4_request"
	text := algorithm + "\n" + now.Format(timeForm) + "\n" + scope + "\n" + digest([]byte(canonical.String()))
	key := []byte("AWS4" + s.secret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	r.Header.Set("Authorization", algorithm+" Credential="+s.id+"/"+scope+", SignedHeaders="+names+", Signature="+hex.EncodeToString(mac(key, text)))
}

// encodePath percent-encodes everything in a path but the unreserved characters and its slashes.
func encodePath(path string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(path) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
