package filter

import "github.com/ginnel/ginnel/sdk/filter/abi"

// Outcall is an HTTP call to another server: to an origin that the operator granted, and to nothing
// else. The gateway adds no credential and follows no redirect.
type Outcall struct {
	URL     string // absolute
	Method  string // "" = GET, or POST where there is a body
	Header  [][2]string
	Body    []byte // at most 1 MiB
	Timeout int    // milliseconds of the whole call; 0 = 5 s, at most 2 min
}

// HTTPCall begins a call and returns its number. CallDone gets what became of it, if a handler waits
// for it with Pause; what nobody waits for ends with the exchange, unless Done or Tick began it.
func HTTPCall(c Outcall) (id int, err error) {
	block := make([]byte, 0, 256+len(c.Body))
	put := func(name, value string) {
		block = append(append(append(append(block, name...), 0), value...), 0)
	}
	put(abi.PseudoURL, c.URL)
	if c.Method != "" {
		put(abi.PseudoMethod, c.Method)
	}
	for _, f := range c.Header {
		put(f[0], f[1])
	}
	block = append(append(block, 0), c.Body...)
	n := sysHTTPCall(block, uint32(c.Timeout))
	return max(0, int(n)), result(n)
}

// Result is what became of a call.
type Result struct{ body []byte }

// ID returns the call's number.
func (Result) ID() int { return number(abi.CallID) }

// Status returns the answer's status, 0 where there is no answer.
func (Result) Status() int { return number(abi.CallStatus) }

// Header returns the answer's first header of that name, or "".
func (Result) Header(name string) string {
	b, _ := get(abi.CallHeader, name)
	return string(b)
}

// Headers calls yield with each header of the answer until it returns false.
func (Result) Headers(yield func(name, value string) bool) { headers(abi.CallHeader, yield) }

// Body returns the answer's body, at most 1 MiB. It is valid until the handler returns.
func (r Result) Body() []byte { return r.body }

// Problem says why the answer is not whole, with a code of sdk/llm such as "timeout", "unavailable"
// or "too_large"; it is "" where it is.
func (Result) Problem() string {
	b, _ := get(abi.CallError, "")
	return string(b)
}
