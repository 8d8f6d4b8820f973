// Package proxywasm is the proxy-wasm ABI as data: its numbers and names, the encoding of its maps
// and properties, and what its guests keep at the host, shared data, queues and metrics.
//
// It runs no guest. Package wasmhost does, and gives the functions here their meaning for an
// exchange. The source is the specification of version 0.2.1 of the proxy-wasm project, and for
// 0.2.100 what Higress's SDKs import and export.
package proxywasm

import "strings"

// Module is the name that guests import the host by.
const Module = "env"

// Status is the result of a host function.
type Status uint32

// The statuses.
const (
	OK              Status = 0
	NotFound        Status = 1
	BadArgument     Status = 2
	InvalidMemory   Status = 6
	Empty           Status = 7
	CASMismatch     Status = 8
	InternalFailure Status = 10
	Unimplemented   Status = 12
)

// Buffers.
const (
	RequestBody      = 0
	ResponseBody     = 1
	CallBody         = 4
	VMConfiguration  = 6
	Configuration    = 7
	ForeignArguments = 8
	RedisResponse    = 9 // 0.2.100
)

// Maps of header fields.
const (
	RequestHeaders   = 0
	RequestTrailers  = 1
	ResponseHeaders  = 2
	ResponseTrailers = 3
	CallHeaders      = 6
	CallTrailers     = 7
)

// Streams of proxy_continue_stream and proxy_close_stream.
const (
	RequestStream  = 0
	ResponseStream = 1
)

// What a callback returns. 0.2.0 and 0.2.1 know Continue and Pause only; 0.2.100 tells headers and
// data apart.
const (
	Continue = 0
	Pause    = 1

	HeadersContinueAndEnd = 2
	HeadersStopAndBuffer  = 3
	HeadersStopAll        = 4

	DataStopAndBuffer = 1
	DataStopNoBuffer  = 3
)

// Kinds of metrics.
const (
	Counter   = 0
	Gauge     = 1
	Histogram = 2
)

// RootContext is the id of the plugin's context; exchanges have ids from 2 on.
const RootContext = 1

// The callbacks that say what a module wants to see.
const (
	OnRequestHeaders  = "proxy_on_request_headers"
	OnRequestBody     = "proxy_on_request_body"
	OnResponseHeaders = "proxy_on_response_headers"
	OnResponseBody    = "proxy_on_response_body"
)

// Higress is the version whose actions tell headers and data apart.
const Higress = "0.2.100"

// Version returns the version of the ABI that an export of a module declares, such as "0.2.1", or
// "" for any other export.
func Version(export string) string {
	v, ok := strings.CutPrefix(export, "proxy_abi_version_")
	if !ok {
		return ""
	}
	return strings.ReplaceAll(v, "_", ".")
}

// Supported reports whether the host speaks a version.
func Supported(version string) bool {
	return version == "0.2.0" || version == "0.2.1" || version == Higress
}
