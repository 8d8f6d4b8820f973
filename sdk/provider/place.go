package provider

import (
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/proto/pluginv1"
)

// Place is where a provider's calls are made and how they get there, as its block says. It holds secrets, a
// proxy's password and a private key; printed, it says the base URL and no more.
type Place struct {
	BaseURL string       // without a slash at its end; "" = the plugin's own
	Reach   egress.Reach // which addresses the host may have
	Proxy   string       // http://[user:password@]host[:port]; "" = none
	TLS     egress.Trust
	// Connect is how long a connection may take, TLS included; 0 = the transport's own time. The other times of a call
	// are the gateway's to keep: it hangs up.
	Connect time.Duration
}

// String returns the base URL.
func (p Place) String() string { return p.BaseURL }

// GoString returns the base URL.
func (p Place) GoString() string { return p.BaseURL }

// LogValue returns the base URL.
func (p Place) LogValue() slog.Value { return slog.StringValue(p.BaseURL) }

// Secrets returns what of it is shown nowhere: the proxy's password and the private key.
func (p Place) Secrets() (out []string) {
	if u, err := url.Parse(p.Proxy); err == nil {
		if password, ok := u.User.Password(); ok {
			out = append(out, password)
		}
	}
	if len(p.TLS.Key) > 0 {
		out = append(out, string(p.TLS.Key))
	}
	return out
}

// Config declares the origin of the calls, and returns with it the path that theirs begin with, without a slash at
// its end. They are those of the base URL: the block's or, where it has none, the plugin's own. Name and limits
// of the origin, but for the time to connect, are left to the caller. Errors name the attribute of the block.
func (p Place) Config(own string) (c egress.Config, prefix string, err error) {
	base := p.BaseURL
	if base == "" {
		base = own
	}
	if base == "" {
		return c, "", errors.New("it needs a base_url: the plugin has none of its own")
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "http" && u.Scheme != "https" {
		return c, "", errors.New("base_url: not an http or https address")
	}
	c = egress.Config{URL: u.Scheme + "://" + u.Host, Reach: p.Reach, Proxy: p.Proxy, Timeouts: egress.Timeouts{Connect: p.Connect}}
	if c.TLS, err = p.TLS.Client(); err != nil {
		return c, "", errors.New("tls: " + err.Error())
	}
	if c.TLS != nil && u.Scheme == "http" {
		return c, "", errors.New("tls is declared, and its base URL is http")
	}
	return c, strings.TrimSuffix(u.EscapedPath(), "/"), nil
}

// reaches are what the protocol calls them.
var reaches = [...]pluginv1.Reach{egress.ByName: pluginv1.Reach_REACH_BY_NAME, egress.Public: pluginv1.Reach_REACH_PUBLIC, egress.Private: pluginv1.Reach_REACH_PRIVATE}

// connect returns how a place is reached as it travels.
func (p Place) connect() *pluginv1.Connect {
	return &pluginv1.Connect{
		Reach: reaches[p.Reach], Proxy: p.Proxy, Ca: p.TLS.CA, Cert: p.TLS.Cert, Key: p.TLS.Key, ServerName: p.TLS.ServerName,
		WithinMs: int64((p.Connect + time.Millisecond - 1) / time.Millisecond),
	}
}

// placeOf reads what came. A reach that nobody here knows is refused: it may forbid what would be done.
func placeOf(m *pluginv1.ConfigureRequest) (p Place, err error) {
	c := m.GetConnect()
	p = Place{
		BaseURL: m.GetBaseUrl(), Proxy: c.GetProxy(),
		TLS:     egress.Trust{CA: c.GetCa(), Cert: c.GetCert(), Key: c.GetKey(), ServerName: c.GetServerName()},
		Connect: time.Duration(max(c.GetWithinMs(), 0)) * time.Millisecond,
	}
	for reach, name := range reaches {
		if name == c.GetReach() {
			p.Reach = egress.Reach(reach)
			return p, nil
		}
	}
	return p, &llm.Error{Code: llm.CodeInvalid, Message: "private: the gateway says of it what the plugin does not know"}
}
