package wasmhost

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/filter/abi"
	"github.com/ginnel/ginnel/sdk/schema"
)

// Manifest is what a module says about itself in its custom section ginnel.manifest.
type Manifest struct {
	Name         string          `json:"name"`
	Version      string          `json:"version"`
	ABI          string          `json:"abi"`
	Events       []string        `json:"events"` // the names of the exchange's phases, tick and call_done
	TickMS       int             `json:"tick_ms,omitempty"`
	Body         string          `json:"body"` // none, parsed or buffered
	Capabilities []string        `json:"capabilities,omitempty"`
	State        string          `json:"state,omitempty"` // none or per-stream
	LookAhead    int             `json:"look_ahead,omitempty"`
	Config       json.RawMessage `json:"config,omitempty"` // a schema.Block

	Schema   *schema.Block `json:"-"` // of Config; nil where it has none
	Proxy    string        `json:"-"` // the version of proxy-wasm, for a module that speaks it and has no manifest
	phases   exchange.Phase
	callDone bool
}

// The capabilities a manifest may ask for. Those of granted need the operator's word too.
const (
	CapHeaders = "headers" // change headers and the status
	CapText    = "text"    // change texts
	CapBody    = "body"    // change bodies
	CapRespond = "respond"
	CapRate    = "rate"
	CapDelay   = "delay"
	CapHTTP    = "http"
	CapKV      = "kv"
	CapShared  = "shared" // one instance serves several tenants
)

var capabilities = []string{CapHeaders, CapText, CapBody, CapRespond, CapRate, CapDelay, CapHTTP, CapKV, CapShared}

// maxManifest bounds the section, maxLookAhead what a filter may hold back.
const (
	maxManifest  = 256 << 10
	maxLookAhead = 64 << 10
)

// The bounds of a manifest's tick_ms.
const (
	minTick = 100
	maxTick = 24 * 60 * 60 * 1000
)

// ErrManifest is the error of a module whose manifest is absent or wrong.
var ErrManifest = errors.New("manifest")

var errNoSection = fmt.Errorf("%w: the module has no section %s", ErrManifest, abi.Section)

// ReadManifest reads a module's manifest without running or compiling the module.
func ReadManifest(wasm []byte) (*Manifest, error) {
	raw, err := section(wasm)
	if errors.Is(err, errNoSection) {
		if m, err := proxyManifest(wasm); m != nil || err != nil {
			return m, err
		}
	}
	if err != nil {
		return nil, err
	}
	m := &Manifest{}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	return m, m.check()
}

// Phases returns the phases that the filter declares.
func (m *Manifest) Phases() exchange.Phase { return m.phases }

// Has reports whether the manifest asks for a capability.
func (m *Manifest) Has(capability string) bool { return slices.Contains(m.Capabilities, capability) }

func (m *Manifest) check() error {
	bad := func(format string, a ...any) error {
		return fmt.Errorf("%w: %s", ErrManifest, fmt.Sprintf(format, a...))
	}
	if m.Name == "" || len(m.Name) > 64 {
		return bad("the name is missing or too long")
	}
	if m.ABI != abi.Name {
		return bad("the abi is %q, this version has %s", m.ABI, abi.Name)
	}
	if m.Body == "" {
		m.Body = "none"
	}
	if !slices.Contains([]string{"none", "parsed", "buffered"}, m.Body) {
		return bad("body mode %q is not none, parsed or buffered", m.Body)
	}
	if m.State == "" {
		m.State = "none"
	}
	if m.State != "none" && m.State != "per-stream" {
		return bad("state %q is not none or per-stream", m.State)
	}
	if m.LookAhead < 0 || m.LookAhead > maxLookAhead {
		return bad("look_ahead %d is not from 0 to %d", m.LookAhead, maxLookAhead)
	}
	for _, c := range m.Capabilities {
		if !slices.Contains(capabilities, c) {
			return bad("capability %q does not exist", c)
		}
	}
	if len(m.Config) > 0 {
		block, err := schema.Parse(m.Config)
		if err != nil {
			return bad("config: %v", err)
		}
		m.Schema = block
	}
	return m.checkEvents(bad)
}

func (m *Manifest) checkEvents(bad func(string, ...any) error) error {
	ticks := slices.Contains(m.Events, eventTick)
	switch {
	case ticks && (m.TickMS < minTick || m.TickMS > maxTick):
		return bad("tick_ms %d is not from %d to %d", m.TickMS, minTick, maxTick)
	case !ticks && m.TickMS != 0:
		return bad("tick_ms needs the event %s", eventTick)
	}
	for _, e := range m.Events {
		if e == eventTick {
			continue
		}
		if e == eventCallDone {
			m.callDone = true
			if !m.Has(CapHTTP) {
				return bad("event %s needs the capability %s", e, CapHTTP)
			}
			continue
		}
		p := phaseNamed(e)
		if p == 0 {
			return bad("event %q does not exist", e)
		}
		if p&(exchange.PhaseRequestBody|exchange.PhaseResponseBody|exchange.PhaseEvent) != 0 && m.Body != "buffered" {
			return bad("event %s needs body mode buffered", e)
		}
		if p&(exchange.PhaseRequestText|exchange.PhaseDelta) != 0 && m.Body == "none" {
			return bad("event %s needs body mode parsed", e)
		}
		m.phases |= p
	}
	if m.phases == 0 && !ticks {
		return bad("it declares no event")
	}
	return nil
}

// The names of the events that belong to no phase of an exchange.
const (
	eventTick     = "tick"
	eventCallDone = "call_done"
)

func phaseNamed(name string) exchange.Phase {
	for p := exchange.PhaseRequestHead; p <= exchange.PhaseDone; p <<= 1 {
		if p.String() == name {
			return p
		}
	}
	return 0
}

var header = []byte("\x00asm\x01\x00\x00\x00")

// section returns the content of the manifest's section.
func section(wasm []byte) ([]byte, error) {
	var found []byte
	err := sections(wasm, func(name string, _, content []byte) error {
		if name != abi.Section {
			return nil
		}
		if found != nil {
			return fmt.Errorf("%w: the section stands twice", ErrManifest)
		}
		if len(content) == 0 || len(content) > maxManifest {
			return fmt.Errorf("%w: a section of %d bytes", ErrManifest, len(content))
		}
		found = content
		return nil
	})
	if err == nil && found == nil {
		err = errNoSection
	}
	return found, err
}

// sections calls yield with each section: its name where it is a custom one, all its bytes, and its
// content.
func sections(wasm []byte, yield func(name string, all, content []byte) error) error {
	if len(wasm) < len(header) || string(wasm[:len(header)]) != string(header) {
		return errors.New("this is no WebAssembly module")
	}
	cut := errors.New("the module is cut off")
	for at := len(header); at < len(wasm); {
		size, n := binary.Uvarint(wasm[at+1:])
		begin := at + 1 + n
		if n <= 0 || size > uint64(len(wasm)-begin) {
			return cut
		}
		end := begin + int(size)
		name, content := "", wasm[begin:end]
		if wasm[at] == 0 {
			length, n := binary.Uvarint(content)
			if n <= 0 || length > uint64(len(content)-n) {
				return cut
			}
			name, content = string(content[n:n+int(length)]), content[n+int(length):]
		}
		if err := yield(name, wasm[at:end], content); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// AttachManifest returns the module with manifest, a JSON text, as its section; one that is there
// already is replaced. Other custom sections are left out: they differ between builds.
func AttachManifest(wasm, manifest []byte) ([]byte, error) {
	var compact bytes.Buffer
	if err := json.Compact(&compact, manifest); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrManifest, err)
	}
	out := append(make([]byte, 0, len(wasm)+compact.Len()+64), header...)
	err := sections(wasm, func(name string, all, _ []byte) error {
		if all[0] != 0 {
			out = append(out, all...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	content := binary.AppendUvarint(nil, uint64(len(abi.Section)))
	content = append(append(content, abi.Section...), compact.Bytes()...)
	out = append(binary.AppendUvarint(append(out, 0), uint64(len(content))), content...)
	_, err = ReadManifest(out)
	return out, err
}
