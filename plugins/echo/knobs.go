package echo

import (
	"strconv"
	"strings"
	"time"

	"github.com/ginnel/ginnel/sdk/llm"
)

// The bounds of the settings: they come from whoever may send a message.
const (
	maxLatency = time.Minute
	maxPace    = 10 * time.Second
	maxSize    = 4 << 20
)

const prefix = "echo:"

// knobs are the settings of one answer.
type knobs struct {
	latency, pace time.Duration
	size          int // 0 = the message as it is
	cut, stall    bool
	fail          *llm.Error
}

// read takes the settings out of a text. What it does not understand is a word like any other.
func (k *knobs) read(text string) {
	for at := strings.Index(text, prefix); at >= 0; at = strings.Index(text, prefix) {
		begins := at == 0 || text[at-1] <= ' '
		text = text[at+len(prefix):]
		if !begins {
			continue
		}
		word := text
		if end := strings.IndexFunc(text, func(r rune) bool { return r <= ' ' }); end >= 0 {
			word = text[:end]
		}
		for setting := range strings.SplitSeq(word, ",") {
			key, value, _ := strings.Cut(setting, "=")
			k.set(key, value)
		}
	}
}

func (k *knobs) set(key, value string) {
	switch key {
	case "slow":
		k.latency = 2 * time.Second
	case "latency":
		k.latency = duration(value, k.latency, maxLatency)
	case "pace":
		k.pace = duration(value, k.pace, maxPace)
	case "size":
		k.size = size(value)
	case "cut":
		k.cut = true
	case "stall":
		k.stall = true
	case "429":
		k.fail = &llm.Error{Code: llm.CodeRateLimited, RetryAfter: duration(value, time.Second, time.Hour), Message: "the echo provider was asked to refuse"}
	case "500":
		k.fail = &llm.Error{Code: llm.CodeUpstream, Status: 500, Message: "the echo provider was asked to fail"}
	case "503":
		k.fail = &llm.Error{Code: llm.CodeOverloaded, Message: "the echo provider was asked to fail"}
	}
}

func duration(text string, otherwise, most time.Duration) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return otherwise
	}
	return min(d, most)
}

func size(text string) int {
	unit := 1
	for _, u := range []struct {
		suffix string
		bytes  int
	}{{"MiB", 1 << 20}, {"KiB", 1 << 10}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}} {
		if digits, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = digits, u.bytes
			break
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxSize {
		return 0
	}
	return min(n*unit, maxSize)
}
