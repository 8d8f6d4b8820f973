// Package upstream is where a model's calls may go: its targets, which of them a call takes, when a
// failed call is made again, and which model takes it where all of that fails.
//
// It makes no connection itself (package egress does), reads no dialect and knows no plugin: a
// Provider plans a call, the caller supplies the body for each target.
//
// A call's way, in order:
//
//  1. Among the targets of the model that fit the call and are in service, the balance chooses one. A target is out of
//     service while its breaker is open, and is passed over while it cools down after a 429.
//  2. Where the call fails before the first event with content of its answer, it is made again, as far as Attempts, On
//     and the retry budget allow: at a target that was not tried yet, at once, or at the same one after a
//     pause with jitter, and not before its Retry-After.
//  3. Where that does not help, each model of Fallback takes the call in turn, with targets, attempts,
//     budget and breakers of its own. The fallbacks of a fallback do not count: no cycle can arise.
//  4. Where all that is left cools down, the call goes there anyway: a limit concerns some calls, and the
//     upstream says it best itself. Where all that is left is out of service, it fails at once.
//
// What is remembered between calls is in States and Budgets, which outlive the Model.
package upstream

import (
	"context"
	"time"

	"github.com/ginnel/ginnel/sdk/egress"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The limits of a retry.
const (
	DefaultAttempts = 2
	MaxRetryAfter   = 2 * time.Second // a longer Retry-After goes to the client instead
	maxErrorBody    = 1 << 20
)

// Plan is how one operation of a provider is reached. It is not changed once it was returned.
type Plan struct {
	Origin  *egress.Origin
	Dialect llm.Dialect // in which the provider is spoken to
	Op      llm.Op      // the operation in it
	// MaxTokensField is what the provider calls the limit of OpenAI's dialect; "" = the dialect's own.
	MaxTokensField string
	// ReasoningField is where in a message the provider takes the model's thoughts back, in OpenAI's dialect; "" = not at
	// all. ReasoningAlways says that a message with calls has it.
	ReasoningField  string
	ReasoningAlways bool
	// InsteadOfModel is the member, as JSON, that the body has where others name the model; "" = the model.
	InsteadOfModel string
	// Members are further members, as JSON, of a body that is translated; "" = none.
	Members string
	// Within is the member in which a request that is translated stands, where the dialect has such forms.
	Within string
	Method string
	Path   string
	// StreamPath is Path for a call that streams.
	StreamPath string
	Header     llm.Header // the provider's own, credentials included
	Version    uint64     // of the lease it comes from
	Invoked    bool       // who is called is the provider's plugin, which calls others
	// Stale reports whether an answer means that the lease should be refreshed.
	Stale func(status int, body []byte) bool
}

// Provider plans calls. It is safe for concurrent use.
type Provider interface {
	// Plan returns how to reach op for a model in a dialect or, where the provider does not have it in
	// that one, in another that it can be translated to. Errors are *llm.Error. It waits only where the provider's
	// credentials have expired.
	Plan(ctx context.Context, op llm.Op, d llm.Dialect, model string) (*Plan, error)
	// Refresh renews the lease unless it is newer than version already, and reports whether it
	// changed. Concurrent calls are made once.
	Refresh(ctx context.Context, version uint64) (changed bool, err error)
}

// Target is one place a model's calls may go to.
type Target struct {
	Name         string
	ProviderName string
	Provider     Provider
	Model        string // the model's name at the provider
	Weight       int
	Context      int64         // tokens that a request and its answer may have together; 0 = not known
	Output       int64         // tokens that an answer has at most; 0 = not known
	Lacks        []llm.Feature // what the model cannot do
	SharedFiles  bool          // a call may name whatever its provider keeps
	State        *State        // nil = nothing is remembered of it
}

// Balance is how a model's targets share its calls.
type Balance string

// The balances.
const (
	Weighted     Balance = "weighted"      // by chance, by weight
	LeastLatency Balance = "least_latency" // the better of two, by their time to the first content
)

// Cause is why a call failed, as far as another may fare better.
type Cause string

// The causes. An upstream that refuses the provider's credentials, wants its account to be paid or has no such model is no cause to call it
// again, but one to go elsewhere, as is one that the configuration does not let the call reach, one that the call cannot be put to, and one that is
// too small for it.
const (
	RateLimited Cause = "429"
	Failing     Cause = "5xx" // or no connection, or an answer that breaks off before its first content
	TimedOut    Cause = "timeout"
	refused     Cause = "refused"
	unfit       Cause = "unfit"
	overlong    Cause = "overlong" // for the model's context window
	unsuited    Cause = "unsuited" // by what is declared of the target: it was not called
	opened      Cause = "open"     // its breaker is: it was not called
	cools       Cause = "cooling"  // nor was it

	// What a try is said to have met where it was Failing without such a status.
	unreachable Cause = "unreachable" // no connection was had, or the provider's plugin is not there
	broke       Cause = "cut"         // the connection ended before the answer, or the answer before its first content
	erred       Cause = "error"       // an answer of another status says an error, or is none
)

// DefaultOn are the causes for which a call is made again: what timed out has cost the client enough.
var DefaultOn = []Cause{RateLimited, Failing}

// Model is what clients ask for by name. It is immutable and safe for concurrent use.
type Model struct {
	Name     string
	Targets  []*Target
	Balance  Balance // "" = Weighted
	Attempts int     // 0 = DefaultAttempts
	On       []Cause // nil = DefaultOn
	Share    float64 // of the calls, that may be retries beyond the budget's reserve
	Budget   *Budget // nil = retries are not bounded
	Breaker  Breaker
	Fallback []*Model

	call func(context.Context, *Target, *Call) (*Answer, error) // of tests; nil = the upstream is called
}

// Call is one call to a model. What it asks of others is asked by one goroutine.
type Call struct {
	Op      llm.Op
	Dialect llm.Dialect // the client's
	Tenant  string      // who calls, "" = nobody in particular: the targets that refuse them are told apart by it
	Stream  bool
	Source  Source
	Demand  Demand // nil = any target will do
	Judge   Judge  // nil = an answer is what its status says
	// Open, which may be nil, takes the place of the HTTP call: it returns the head of an answer and, of one that
	// refuses, its whole body in First. What it opened is the caller's.
	Open func(ctx context.Context, p *Plan, r *egress.Request) (*Answer, error)
	// Empty says that an answer may have no body.
	Empty bool
	// Once says that what the call begins goes on where its answer is lost. Once it was sent it is made again only where an
	// upstream refused it.
	Once bool
}

// Source says what a target is sent.
type Source interface {
	// Request writes it to r, in the dialect of the plan.
	Request(t *Target, p *Plan, r *Request) error
}

// SourceFunc is a function as a Source.
type SourceFunc func(t *Target, p *Plan, r *Request) error

// Request implements Source.
func (f SourceFunc) Request(t *Target, p *Plan, r *Request) error { return f(t, p, r) }

// Demand is what a call asks of a target.
type Demand interface {
	// Tokens returns what the request and its answer take at least, as far as it can be told before. It is called once,
	// and only where a target's window is declared.
	Tokens() int64
	// Features returns what the call asks of a model besides words. It is called once, and only where a target lacks
	// something.
	Features() []llm.Feature
	// Keeps reports whether a target may be asked for what the call names of what vendors keep.
	Keeps(t *Target) bool
}

// Judge looks at what a target answers. Of a failed answer the target is known.
type Judge interface {
	// Begun looks at the beginning of an answer with a status below 400, again whenever more of it came, until it is Seen.
	// It returns what is wrong where that says that the call failed: then it may still be made elsewhere.
	Begun(a *Answer) (Look, error)
	// Wait returns for how long a failed answer asks in its body to be left alone.
	Wait(a *Answer) time.Duration
	// Overlong reports whether a failed answer says that the request is longer than the target's context window.
	Overlong(a *Answer) bool
	// Refuses reports whether a failed answer is about what is the operator's, and not about the request: what the provider's
	// account may do or has paid for, or the target's model, which is not there.
	Refuses(a *Answer) bool
}

// Look says whether enough has come of an answer to begin with it.
type Look uint8

// The looks.
const (
	Seen    Look = iota // it has
	Awaited             // something has to come whole, which takes as long as it takes
	Held                // there is nothing of the answer yet: what came is held back, for some time
)

// Request is what a target is sent, besides the provider's own header.
type Request struct {
	Header llm.Header // already cleaned
	Query  string     // without a question mark; already cleaned
	Body   []byte
	Held   egress.Held // what of the body is in a file
	Method string      // "" = the plan's
	Rest   string      // of the path, behind the plan's; already cleaned
}

// Answer is an upstream's answer. Its head has arrived and, where it succeeded, its first bytes too,
// so that what fails before them is tried again and never seen. The caller closes Body.
type Answer struct {
	Status   int
	Header   llm.Header
	Came     time.Time // when the head was there
	Dialect  llm.Dialect
	First    []byte       // bytes of the body that were read already
	Ended    bool         // First is the whole body
	Body     *egress.Body // nil of a call that Open made
	Refused  bool         // the upstream does not accept the provider's credentials
	Fault    llm.Code     // of an invoked plugin that failed by itself; "" = the answer is the upstream's
	Failure  error        // what the beginning says where it says that the call failed
	Model    *Model       // that answered: the one asked, or a fallback
	Target   *Target
	Attempts int
	Tries    []Try // one for each attempt, and for each target that could not take the call

	try [1]Try // has room for the one that most calls are
}

// Try is one attempt of a call and how it ended.
type Try struct {
	Model, Target string
	Cause         Cause // as exactly as it is known; "" = nothing was wrong that another attempt could cure
	Began         time.Time
	Took          time.Duration // until the first event of the answer or the failure; 0 where nothing was sent
}

// Broke tells the target's breaker that the answer broke off behind its first event.
func (a *Answer) Broke() {
	if a.Target != nil && a.Model != nil {
		a.Target.State.fail(time.Now(), a.Model.Breaker)
	}
}
