// Package filter is the guest library for Ginnel's WASM filters in Go: handlers for the events of an
// exchange, typed accessors to it, native pattern matching in the host, and a small JSON reader for
// the filter's config.
//
// It is not for the host and imports nothing but the standard library's smallest parts, so that a
// filter stays small. Built for wasip1 it talks to the host; built for anything else it talks to a
// Fake, so that a filter's logic runs in an ordinary test.
//
// A filter, whole:
//
//	package main
//
//	import "github.com/ginnel/ginnel/sdk/filter"
//
//	func init() {
//		filter.Register(filter.Filter{
//			RequestHead: func(x filter.Exchange) filter.Action {
//				if x.Header("x-team") == "" {
//					return x.Deny("headers", "the header x-team is missing")
//				}
//				return filter.Continue
//			},
//		})
//	}
//
//	func main() {}
//
// It is built with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared, and a manifest.json beside
// it, which declares the events and capabilities, becomes a section of the module.
//
// A handler may ask another server and wait for its answer without holding an instance: it begins the
// call with HTTPCall and returns Pause, and CallDone decides in its place. The manifest declares the
// event call_done and the capability http, the operator grants the origins:
//
//	RequestText: func(x filter.Exchange) filter.Action {
//		body := append([]byte(nil), x.Text(0).Bytes()...)
//		if _, err := filter.HTTPCall(filter.Outcall{URL: "https://judge.example/v1", Body: body}); err != nil {
//			return filter.Failed
//		}
//		return filter.Pause
//	},
//	CallDone: func(x filter.Exchange, r filter.Result) filter.Action {
//		if r.Status() != 200 || string(r.Body()) != "good" {
//			return x.Deny("judge", "the request was judged to be bad")
//		}
//		return filter.Continue
//	},
//
// What must outlive an exchange goes to the store with KVSet and KVAdd (capability kv, granted by the
// operator). Every tenant has values of its own; what Tick sets is the filter's, and every tenant reads
// it where it has no value of its own under the key.
//
// Handlers run one at a time. Nothing may be kept between callbacks that belongs to an exchange:
// what must be kept goes to the host with PutState. A byte slice that a method returns is valid until
// the same method is called again.
package filter

import "github.com/ginnel/ginnel/sdk/filter/abi"

// Action is what a handler wants done with what it was shown.
type Action int32

// The actions. Hold makes another.
const (
	Continue Action = abi.Continue // go on, with whatever was edited
	Replace  Action = abi.Replace  // what Out wrote becomes the body, or the window
	Drop     Action = abi.Drop     // leave the event or the window's new text out
	Close    Action = abi.Close    // end the stream with the dialect's error
	Pause    Action = abi.Pause    // wait for a call of HTTPCall; CallDone goes on in this one's place
	Failed   Action = abi.Internal // the filter itself failed: the operator's on_error decides

	respond Action = abi.Respond
)

// Hold keeps the last n bytes of the window back until more of the text is there.
func Hold(n int) Action {
	if n <= 0 {
		return Continue
	}
	return Action(abi.Hold | n<<abi.HoldShift)
}

// HoldAll keeps the whole window back.
const HoldAll Action = abi.Hold

// Filter is a filter's handlers. A handler that is nil goes on; the manifest says which are called.
type Filter struct {
	// Init reads the config, JSON that already fits the manifest's schema. It runs once per
	// instance of the module, before anything else; only it may compile rules. An error refuses
	// the configuration and is shown to the operator.
	Init func(config []byte) error

	RequestHead  func(x Exchange) Action
	RequestBody  func(x Exchange, raw []byte) Action
	RequestText  func(x Exchange) Action // every text of the conversation
	ResponseHead func(x Exchange) Action
	ResponseBody func(x Exchange, raw []byte) Action // of an answer that is no stream
	Delta        func(x Exchange, w Window) Action   // text of the answer
	Event        func(x Exchange, raw []byte) Action // one server-sent event
	End          func(x Exchange) Action             // usage and finish reason are known
	Done         func(x Exchange) Action             // nothing can be changed any more

	// CallDone is called when a call has ended while a handler pauses. It may do what that handler
	// may, and its action counts as that handler's; Pause waits for the next call. The instance may
	// be another one: what CallDone needs to know goes through PutState. After a Tick, x is empty.
	CallDone func(x Exchange, r Result) Action
	// Tick is called once in the manifest's tick_ms, outside of exchanges: it may log, count, keep
	// values and make calls.
	Tick func() Action
}

// the guest's one filter, the events that it has no need of and the buffer the host writes into
var (
	registered Filter
	skipped    int32
	input      []byte
)

// Skip says that this configuration has no need of events that the manifest names, by the numbers of
// package abi: the host does not call for them. It is called in Init.
func Skip(events ...int32) {
	for _, e := range events {
		skipped |= 1 << e
	}
}

// Register makes f the module's filter. It is called once, from an init function.
func Register(f Filter) { registered = f }

// grow makes the input buffer hold n bytes.
func grow(n int) []byte {
	if cap(input) < n {
		input = make([]byte, n)
	}
	input = input[:n]
	return input
}

func dispatch(event int32, raw []byte) Action {
	f := &registered
	var h func(Exchange) Action
	var b func(Exchange, []byte) Action
	switch event {
	case abi.RequestHead:
		h = f.RequestHead
	case abi.RequestBody:
		b = f.RequestBody
	case abi.RequestText:
		h = f.RequestText
	case abi.ResponseHead:
		h = f.ResponseHead
	case abi.ResponseBody:
		b = f.ResponseBody
	case abi.Delta:
		if f.Delta != nil {
			return f.Delta(Exchange{}, Window{})
		}
	case abi.Event:
		b = f.Event
	case abi.CallDone:
		if f.CallDone != nil {
			return f.CallDone(Exchange{}, Result{raw})
		}
	case abi.Tick:
		if f.Tick != nil {
			return f.Tick()
		}
	case abi.End:
		h = f.End
	case abi.Done:
		h = f.Done
	}
	if h != nil {
		return h(Exchange{})
	}
	if b != nil {
		return b(Exchange{}, raw)
	}
	return Continue
}
