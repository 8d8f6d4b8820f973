package gemini

import (
	"encoding/json"
	"strconv"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
)

// logprobs reads a logprobsResult: the tokens that were chosen, and beside them those that came closest.
func (d decoder) logprobs() json.RawMessage {
	var chosen []conversation.Token
	var top [][]conversation.Token
	d.each("logprobsResult", func(k string) {
		switch k {
		case "chosenCandidates":
			d.Items(k, func(int) { chosen = append(chosen, d.token()) })
		case "topCandidates":
			d.Items(k, func(int) {
				var closest []conversation.Token
				d.each(k, func(k string) {
					if k == "candidates" {
						d.Items(k, func(int) { closest = append(closest, d.token()) })
					} else {
						d.Leave()
					}
				})
				top = append(top, closest)
			})
		case "logProbabilitySum": // of the tokens, which are there
			d.Skip()
		default:
			d.Leave()
		}
	})
	for i := range chosen[:min(len(chosen), len(top))] {
		chosen[i].Top = top[i]
	}
	return conversation.Logprobs(chosen)
}

func (d decoder) token() (t conversation.Token) {
	t.Logprob = "0"
	d.each("candidates", func(k string) {
		switch k {
		case "token":
			t.Token = d.Str(k)
		case "logProbability":
			if n := d.Num(k); n != "" {
				t.Logprob = json.Number(n)
			}
		case "tokenId":
			if d.Type() == dialect.TypeNumber {
				t.ID = d.Raw()
			} else {
				d.Leave()
			}
		default:
			d.Leave()
		}
	})
	return t
}

// writeLogprobs writes tokens as a logprobsResult.
func writeLogprobs(w *dialect.Writer, tokens []conversation.Token) {
	if len(tokens) == 0 {
		return
	}
	w.Key("logprobsResult")
	w.Object()
	w.Key("chosenCandidates")
	writeTokens(w, tokens)
	w.Key("topCandidates")
	w.Array()
	for i := range tokens {
		w.Object()
		w.Key("candidates")
		writeTokens(w, tokens[i].Top)
		w.EndObject()
	}
	w.EndArray()
	w.EndObject()
}

func writeTokens(w *dialect.Writer, tokens []conversation.Token) {
	w.Array()
	for i := range tokens {
		w.Object()
		w.Key("token")
		w.String(tokens[i].Token)
		if _, err := strconv.ParseInt(string(tokens[i].ID), 10, 32); err == nil { // others' may be none
			w.Member("tokenId", tokens[i].ID)
		}
		w.Member("logProbability", []byte(tokens[i].Logprob))
		w.EndObject()
	}
	w.EndArray()
}
