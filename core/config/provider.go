package config

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/schema"
)

var hexDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)

// Provider is a provider block.
type Provider struct {
	Name     string
	Plugin   string // the name of a built-in plugin, or the path of an executable
	SHA256   string // of the executable, hex; "" for a built-in plugin
	BaseURL  string // "" = the plugin's own
	Private  *bool  // whether its name may lead to private addresses; nil = by the name
	Proxy    string // http://[user:password@]host[:port]
	TLS      egress.Trust
	Timeouts Timeouts
	// SharedFiles says whether calls may name what the vendor keeps, whosever it is; nil = where no route to it asks
	// for keys.
	SharedFiles *bool
	Process     Process
	Config      *Opaque

	// Reaches are the base URLs that its calls may go to, as far as they are known before the launch: one
	// of them. Empty for a plugin that answers itself.
	Reaches []string
	// Locked is what the lock file says about the executable; nil where it does not.
	Locked *Locked
}

// Timeouts bound the parts of a call; 0 is the transport's default.
type Timeouts struct{ Connect, FirstToken, Idle, Total time.Duration }

func providerShape() *schema.Block {
	return &schema.Block{
		Doc: "A vendor, or a server of your own: a plugin that knows it, and how it is reached. It is started only where a route leads to it. A plugin that makes its calls itself is told `base_url`, `private`, `proxy` and `tls`; what it cannot be told is an error.", Labels: []string{"name"},
		Attrs: []schema.Attr{
			{Name: "plugin", Kind: schema.String, Doc: "The name of a built-in plugin (`ginnel plugins list`), or the path of an executable, which begins with `./` or `/`."},
			{Name: "sha256", Kind: schema.String, Optional: true, Doc: "The executable's digest, in hex; required for one that is not built in."},
			{Name: "base_url", Kind: schema.String, Optional: true, Doc: "Where the API is, path included. The default is the plugin's own. The gateway connects to nothing else, whatever the plugin says."},
			{Name: "private", Kind: schema.Bool, Optional: true, Doc: "Whether the host's name may lead to private addresses (of a private network, or of this machine). Without it an address, `localhost`, a name of one label and names below `.internal`, `.local`, `.lan`, `.home`, `.home.arpa`, `.corp`, `.intranet`, `.private`, `.localdomain`, `.svc` and `.test` may, and any other name may not. It is judged before each connection. No name may lead to link-local addresses, where clouds have their metadata, nor to multicast, reserved, 6to4 or Teredo addresses."},
			{Name: "proxy", Kind: schema.String, Optional: true, Sensitive: true, Doc: "An HTTP proxy in front of the provider, `http://host:port`, with `user:password@` where it asks for one. It resolves the provider's name. No proxy is taken from the environment."},
			{Name: "tls", Kind: schema.Object, Optional: true, Doc: "For an https base_url.", Fields: []schema.Attr{
				{Name: "ca_file", Kind: schema.String, Optional: true, Doc: "The authorities that may vouch for it, in PEM, instead of the system's."},
				{Name: "cert_file", Kind: schema.String, Optional: true, Doc: "The gateway's own certificate, in PEM, for a server that asks for one."},
				{Name: "key_file", Kind: schema.String, Optional: true, Doc: "Its private key, in PEM."},
				{Name: "server_name", Kind: schema.String, Optional: true, Doc: "The name in its certificate, where it is not the host of base_url."},
			}},
			{Name: "timeouts", Kind: schema.Object, Optional: true, Doc: "How long the parts of a call may take.", Fields: []schema.Attr{
				{Name: "connect", Kind: schema.Duration, Default: "5s", Doc: "To connect, TLS included. A plugin that makes its calls itself is told."},
				{Name: "first_token", Kind: schema.Duration, Default: "120s", Doc: "From the request until the answer begins."},
				{Name: "idle", Kind: schema.Duration, Default: "60s", Doc: "Between two pieces of an answer."},
				{Name: "total", Kind: schema.Duration, Default: "10m", Doc: "The whole call."},
			}},
			{Name: "shared_files", Kind: schema.Bool, Optional: true, Doc: "Whether calls may name everything that the vendor keeps under this account (files, vector stores and indexes, caches, skills, the buckets that it may read, stored responses and containers), whosever it is. If not, a call may name the files that its own key's team, or the key itself, has sent by a route's `files`, what batches made of them, and what its own answers left. The default is no where a route that leads here asks for keys. Say yes for an account that has one tenant, or whose files are not sent by Ginnel."},
			processShape("true"),
		},
		Blocks: map[string]*schema.Block{"config": configShape("plugin")},
	}
}

func configShape(owner string) *schema.Block {
	return &schema.Block{Doc: "The " + owner + "'s own arguments; its schema checks them.", Max: 1, Opaque: true}
}

func (b *builder) provider(n *node) {
	p := &Provider{
		Name: n.label(), Plugin: get[string](n, "plugin"), SHA256: get[string](n, "sha256"),
		BaseURL: strings.TrimSuffix(get[string](n, "base_url"), "/"),
		Private: optional[bool](n, "private"), Proxy: get[string](n, "proxy"), SharedFiles: optional[bool](n, "shared_files"),
		Timeouts: Timeouts{
			Connect: get[time.Duration](n, "timeouts.connect"), FirstToken: get[time.Duration](n, "timeouts.first_token"),
			Idle: get[time.Duration](n, "timeouts.idle"), Total: get[time.Duration](n, "timeouts.total"),
		},
		Process: b.process(n), Config: b.opaque(n),
	}
	b.plugin(n, &p.Plugin, p.SHA256)
	if p.BaseURL != "" {
		b.baseURL(n.attrs["base_url"], p.BaseURL)
	}
	b.providerTLS(n, p)
	if p.Proxy != "" {
		b.proxy(n.attrs["proxy"], p.Proxy)
	}
	if p.Plugin != "" {
		p.Locked = b.checkPlugin(n, p.Config, p.Plugin, p.SHA256)
	}
	b.reaches(n, p)
	b.define(n, p)
	b.cfg.Providers = append(b.cfg.Providers, p)
}

// reaches asks where a provider's calls go.
func (b *builder) reaches(n *node, p *Provider) {
	switch {
	case p.BaseURL != "":
		p.Reaches = []string{p.BaseURL}
	case p.Locked != nil:
		p.Reaches = p.Locked.Origins
	}
	if b.options.ProviderOrigins == nil || p.Plugin == "" || !p.Config.Checked() {
		return
	}
	origins, err := b.options.ProviderOrigins(p)
	if err != nil {
		b.errorf(n.rng, fmt.Sprintf("Cannot use %s", describe(n.kind, n.labels)), "%s", err)
	}
	if len(p.Reaches) == 0 {
		p.Reaches = origins
	}
}

// IsPath reports whether a plugin or a module is named by a file's path.
func IsPath(s string) bool { return strings.ContainsAny(s, `/\`) }

// plugin checks how a plugin is named and makes its path whole.
func (b *builder) plugin(n *node, plugin *string, sha string) {
	at := n.attrs["plugin"]
	if at.v == nil {
		return
	}
	if !IsPath(*plugin) {
		if sha != "" {
			b.errorf(n.attrs["sha256"].rng, "Unsupported argument", "The built-in plugin %q has no sha256 of its own.", *plugin)
		}
		return
	}
	*plugin = b.eval.path(*plugin)
	b.digest(n, sha, *plugin)
}

func (b *builder) digest(n *node, sha, path string) {
	switch {
	case sha == "":
		b.errorf(n.rng, "Missing argument", "%s needs sha256: run `sha256sum %s`.", describe(n.kind, n.labels), path)
	case !hexDigest.MatchString(sha):
		b.errorf(n.attrs["sha256"].rng, "Invalid value", "sha256: 64 lower-case hex digits are needed.")
	}
}

func (b *builder) baseURL(at *value, s string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		b.errorf(at.rng, "Invalid value", "%s: an http or https URL is needed, such as https://api.example.com/v1.", at.shape.Name)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		b.errorf(at.rng, "Invalid value", "%s: a URL without user, query and fragment is needed.", at.shape.Name)
	}
}

// proxy checks a proxy's URL without a word of it: it may hold a password.
func (b *builder) proxy(at *value, s string) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		b.errorf(at.rng, "Invalid value", "proxy: http://host:port is needed.")
	}
}

// checkPlugin checks a plugin's config block by the plugin's own schema or the lock file's, and returns
// what the latter says.
func (b *builder) checkPlugin(n *node, o *Opaque, plugin, sha string) (l *Locked) {
	b.checkConfig(n, o, func() (shape *schema.Block, err error) {
		if b.options.PluginSchema != nil {
			shape, err = b.options.PluginSchema(plugin)
		}
		if err != nil || shape != nil || !IsPath(plugin) {
			return shape, err
		}
		if l = b.locked(n, sha); l == nil {
			return nil, nil
		}
		if l.Schema == nil {
			return &schema.Block{}, nil
		}
		return l.Schema, nil
	})
	return l
}

// checkConfig checks a config block if its owner's schema is known by now.
func (b *builder) checkConfig(n *node, o *Opaque, find func() (*schema.Block, error)) {
	shape, err := find()
	if err != nil {
		rng := n.rng
		for _, name := range []string{"plugin", "wasm"} {
			if at := n.attrs[name]; at != nil {
				rng = at.rng
			}
		}
		b.errorf(rng, fmt.Sprintf("Cannot use %s", describe(n.kind, n.labels)), "%s", err)
		return
	}
	if shape != nil {
		b.diags = append(b.diags, o.Check(shape)...)
	}
}
