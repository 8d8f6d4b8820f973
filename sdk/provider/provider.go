// Package provider is the contract of a provider plugin, and Serve, which is all of its main:
//
//	func main() { provider.Serve(acme.New()) }
//
// A plugin's life:
//
//  1. The host checks the executable, starts it as a process of its own and shakes hands. The process
//     has no environment, no standard input and no configuration yet.
//  2. Describe tells what the plugin is. It may be all that is asked of this process.
//  3. Configure hands over the operator's config block, once. It was checked against Info.Config.
//  4. A Relayer is asked for a lease: where the vendor's operations are and with which credentials.
//     From then on the host speaks to the vendor itself; the plugin is asked again when the lease
//     runs out or an answer says that it is stale. An Invoker is sent the calls instead, as HTTP/1.1
//     on a private unix socket that Serve answers.
//  5. A plugin that crashes is started again, from 1. Its open calls fail; a lease goes on.
//  6. Before the host ends the process it stops sending calls and waits for those that are open.
//
// It is not the host's side (core/pluginhost is) and no client of any vendor.
package provider

import (
	"context"
	"fmt"
	"slices"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/schema"
)

// Provider is what every provider plugin implements, with at least one of Relayer and Invoker beside
// it. All methods are safe for concurrent use; errors that are *llm.Error keep their code on the way
// to the host, and their message is public.
type Provider interface {
	// Describe has no side effects and works before Configure.
	Describe(context.Context) (*Info, error)
	// Configure takes the configuration, a JSON object, once in the process's life. Members that are
	// not in Info.Config never reach it. It should refuse what cannot work, and reach out to nobody.
	Configure(ctx context.Context, config []byte) error
}

// Relayer is a provider whose calls the host makes itself: nothing crosses a process per request.
type Relayer interface {
	// Relay returns a new lease. It is called after Configure, before the last lease expires and
	// when an answer matched its RefreshOn; calls are made one at a time.
	Relay(context.Context) (*Relay, error)
}

// Locator is a Relayer that asks somebody for its leases, and knows without that where they lead to.
type Locator interface {
	// Origin returns the Relay.Origin of the leases to come. It is called after Configure and reaches
	// out to nobody.
	Origin() string
}

// Invoker is a provider that answers the calls itself.
type Invoker interface {
	// Invoke answers a call. The context ends when the caller has hung up or the answer is complete;
	// Recv of the response must then return. Errors, of Invoke and of the first Recv, become an
	// error answer; a later error of Recv breaks the answer off, and the host sees that it did.
	Invoke(context.Context, *llm.Call) (*llm.Response, error)
}

// Placer is an Invoker that makes its calls where and how the operator says. One that is not leaves base_url, private,
// proxy and tls in its provider block an error; timeouts.connect has a default, and is left out for it.
type Placer interface {
	// Place is told before Configure, of a block that says nothing too. An older host, which knows base_url only,
	// does not call it where the block has none.
	Place(Place) error
}

// Prober is a provider that can tell whether it would work, at little cost.
type Prober interface {
	Probe(context.Context) error
}

// Info is what a plugin says about itself.
type Info struct {
	Name     string // [a-z][a-z0-9_-]*
	Version  string
	Ops      []llm.Op
	Dialects []llm.Dialect
	Config   *schema.Block // the shape of its config block; nil = it takes none
	// Origins are the base URLs that a provider block without base_url reaches, path included
	// ("https://api.openai.com/v1"): one of them, the lease says which. The host connects to no other.
	Origins []string

	// The abilities, which Serve fills in.
	Relays, Invokes, Probes bool
	Placed                  bool // can be told a base URL
	Connects                bool // and the rest of a Place
}

// Leads returns the base URL that a lease is for: one of those that the description lists, and "" where
// it lists none. A lease for another is an error.
func (i *Info) Leads(r *Relay) (string, error) {
	switch {
	case r.Origin != "" && !slices.Contains(i.Origins, r.Origin):
		return "", fmt.Errorf("its lease is for %q, which is not among the origins that it describes", r.Origin)
	case r.Origin == "" && len(i.Origins) > 0:
		return i.Origins[0], nil
	}
	return r.Origin, nil
}
