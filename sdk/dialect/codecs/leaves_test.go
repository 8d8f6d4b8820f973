package codecs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
)

// told are the texts and numbers that a client is told, and what is listed as lost.
type told struct {
	text string // all of them, one behind the other
	raw  string
	lost []conversation.Loss
}

// has reports whether a text or a number is told; pieces of arguments are of the keys, too.
func (d *told) has(at, leaf string) bool {
	return strings.Contains(d.text, leaf) || (at == "delta" || strings.ContainsAny(leaf, `{}"`)) && strings.Contains(d.raw, leaf)
}

// whole translates a whole answer for a client.
func whole(from, client llm.Dialect, body []byte) (told, error) {
	a, err := UpstreamTranslator(from).DecodeAnswer(body)
	if err != nil {
		return told{}, err
	}
	l := conversation.Losses{Places: Translator(client).Places()}
	l.Answer(a)
	out := Translator(client).EncodeAnswer(a)
	return told{text(out), string(out), l.All()}, nil
}

// asStream tells a whole answer in pieces.
func asStream(from, client llm.Dialect, body []byte) (told, error) {
	a, err := UpstreamTranslator(from).DecodeAnswer(body)
	if err != nil {
		return told{}, err
	}
	l, e := conversation.Losses{Places: Translator(client).Places()}, Translator(client).Encoder(conversation.StreamOptions{IncludeUsage: true})
	l.Answer(a)
	var out []byte
	for _, d := range a.Deltas(nil) {
		out = e.Append(out, &d)
	}
	out = e.End(out)
	var all strings.Builder
	err = payloads(out, func(p []byte) error { all.WriteString(text(p)); return nil })
	return told{all.String(), string(out), l.All()}, err
}

// asWhole puts a stream together.
func asWhole(from, client llm.Dialect, events []byte) (told, error) {
	d := UpstreamTranslator(from).Decoder()
	l := conversation.Losses{Places: Translator(client).Places()}
	var all conversation.Collector
	add := func(deltas []conversation.Delta) error {
		for i := range deltas {
			l.Delta(&deltas[i])
		}
		return all.Add(deltas...)
	}
	err := payloads(events, func(p []byte) error {
		deltas, err := d.Event(p, nil)
		if err != nil {
			return err
		}
		return add(deltas)
	})
	if err == nil {
		err = add(d.End(nil))
	}
	l.Left(d.Left())
	out := Translator(client).EncodeAnswer(&all.Answer)
	return told{text(out), string(out), l.All()}, err
}

// inPieces translates a stream for a client.
func inPieces(from, client llm.Dialect, events []byte) (told, error) {
	d, e := UpstreamTranslator(from).Decoder(), Translator(client).Encoder(conversation.StreamOptions{IncludeUsage: true})
	l := conversation.Losses{Places: Translator(client).Places()}
	var out []byte
	write := func(deltas []conversation.Delta) {
		for i := range deltas {
			l.Delta(&deltas[i])
			out = e.Append(out, &deltas[i])
		}
	}
	err := payloads(events, func(p []byte) error {
		deltas, err := d.Event(p, nil)
		write(deltas)
		return err
	})
	if err != nil {
		return told{}, err
	}
	write(d.End(nil))
	out = e.End(out)
	l.Left(d.Left())
	var all strings.Builder
	err = payloads(out, func(p []byte) error { all.WriteString(text(p)); return nil })
	return told{all.String(), string(out), l.All()}, err
}

// text returns all texts and numbers of a JSON text, one behind the other.
func text(raw []byte) string {
	var b strings.Builder
	leaves("", value(raw), func(_, s string) { b.WriteString(s) })
	return b.String()
}

func value(raw []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// leaves calls yield with every text and number of a value and the way to it.
func leaves(at string, v any, yield func(at, leaf string)) {
	walk(at, v, func(at string, v any) {
		switch v := v.(type) {
		case string:
			yield(at, v)
		case json.Number:
			yield(at, v.String())
		}
	})
}

// envelope are the members of answers and events that are no content, or are told in another form: what kind of thing it is
// and where it stands, who answered when and at which tier, what was asked, what says the answer once more, and what
// TestAnswersAcross and other tests hold: reasons to end, numbers of tokens, arguments, sealed state, places of citations.
var envelope = map[llm.Dialect]*regexp.Regexp{
	llm.OpenAI: regexp.MustCompile(`^(id|object|created|model|provider|service_tier|system_fingerprint|obfuscation|p|generationId)$|^(time_info|x_groq|usage_breakdown|error)\.|\.(role|type|index|seed|service_tier)$` +
		`|(finish_reason|arguments)$|thought_signature$|reasoning_details\[\]\.(data|format|id|signature)$|(start|end)_index$|^usage\..*(_time|_tokens)$|^search_results\[\]\.(date|last_updated|source)$|^choices\[\]\.(delta|message)\.(id|audio\.(id|expires_at))$`),
	llm.Responses: regexp.MustCompile(`^(type|sequence_number|item_id|text|arguments|output_index|content_index|part\..*|item\.(id|type|status|role|arguments|content.*|summary.*|encrypted_content))$|^response\.output\[` +
		`|^(response\.)?(id|object|background|billing|created_at|completed_at|frequency_penalty|incomplete_details|instructions|max_output_tokens|max_tool_calls|metadata|model|parallel_tool_calls|presence_penalty|previous_response_id|prompt` +
		`|prompt_cache_key|prompt_cache_retention|prompt_cache_options|reasoning|safety_identifier|service_tier|status|store|temperature|text|tool_choice|tools|top_logprobs|top_p|truncation|user)\b` +
		`|^(response\.)?usage\..*_tokens$|^output\[\]\.(id|type|status|role|arguments|encrypted_content|content\[\]\.type|summary.*|content\[\]\.annotations\[\]\.(type|start_index|end_index))$|^annotation\.(type|start_index|end_index)$|^(obfuscation|annotation_index|summary_index)$`),
	llm.Anthropic: regexp.MustCompile(`(^|\.)(type|role|id|model|service_tier|inference_geo)$|stop_reason$|^index$|^content\[\]\.(data|signature)$|^content_block\.(data|signature)$|^delta\.signature$|(^|\.)usage\..*_tokens$|^content\[\]\.input\b|partial_json$` +
		`|^content\[\]\.citations\[\]\.(encrypted_index|cited_text)$|^delta\.citation\.(encrypted_index|cited_text)$`),
	llm.Gemini:  regexp.MustCompile(`(role|finishReason|index|Index|thoughtSignature|createTime|modelVersion|responseId|segment\.text)$|^usageMetadata\..*(TokenCount|tokenCount|modality)$|^usageMetadata\.(serviceTier|trafficType)$|\.functionCall\.args\b|\.web\.domain$`),
	llm.Bedrock: regexp.MustCompile(`(^|\.)(role|stopReason|contentBlockIndex|p|ttl|latency|latencyMs|redactedContent|signature|toolUseId|type|source)$|[uU]sage\..*Tokens(Count)?$|TokenCount$|\.input(\.|$)`),
	llm.Cohere:  regexp.MustCompile(`(^|\.)(type|role|index|start|end|id|finish_reason|content_index)$|usage\..*_tokens$|arguments$|sources\[\]\.document\.(text|snippet)$`),
	llm.Ollama:  regexp.MustCompile(`(^|\.)(role|created_at|done_reason|model|index|id)$|_duration$|_count$|\.arguments\b`),
}

// echoed are the objects of answers whose members are not told apart: in the envelope, a call's own arguments, what the
// vendor's codec reads as a whole.
var echoed = map[llm.Dialect]*regexp.Regexp{
	llm.OpenAI:    regexp.MustCompile(`^(x_groq|error|time_info|usage_breakdown)\b|\.annotations\[\]|^choices\[\]\.delta$`),
	llm.Responses: regexp.MustCompile(`^(response\.)?(billing|instructions|metadata|prompt|prompt_cache_options|reasoning|text|tools)\b|^response\.output\[|annotations?\b|^part\b`),
	llm.Anthropic: regexp.MustCompile(`\.input\b|usage\.(cache_creation|iterations|output_tokens_details)|citations?\b`),
	llm.Gemini:    regexp.MustCompile(`TokensDetails\[\]$|\.args\b`),
	llm.Bedrock:   regexp.MustCompile(`metrics$|performanceConfig|cacheDetails|\.input\b`),
	llm.Cohere:    regexp.MustCompile(`citations|\.sources\[`),
	llm.Ollama:    regexp.MustCompile(`\.arguments\b`),
}

var number = regexp.MustCompile(`\[\d+\]`)

// TestEveryLeafOfAnAnswer is told a client of any dialect, its own in the other form, or listed as lost, or in the envelope.
func TestEveryLeafOfAnAnswer(t *testing.T) {
	leavesOf, silent := 0, map[string]bool{}
	for _, r := range conversations(t) {
		if r.Response.Status != 200 {
			continue
		}
		own := envelope[r.Dialect()]
		if r.Dialect() == llm.Mistral {
			own = envelope[llm.OpenAI]
		}
		for _, client := range dialects {
			events, said, err := translated(t, r, client)
			if err != nil || listed(said.lost, "choices[1]") {
				continue // an error is one for every client, and who asks for more than there can be is refused
			}
			for _, raw := range events {
				of := block(raw)
				leaves("", value(raw), func(at, leaf string) {
					leavesOf++
					if strings.TrimSpace(leaf) == "" || leaf == "0" || said.has(at, leaf) || listed(said.lost, at) || listed(said.lost, of) {
						return
					}
					if at = number.ReplaceAllString(at, "[]"); !own.MatchString(at) && !silent[fmt.Sprint(client, r.Dialect(), at)] {
						silent[fmt.Sprint(client, r.Dialect(), at)] = true
						t.Errorf("%s to %s: %s %.60q is lost in silence: listed are %.200q", r.Name, client, at, leaf, fields(said.lost))
					}
				})
			}
		}
	}
	if t.Logf("%d leaves", leavesOf); leavesOf < 50000 {
		t.Errorf("only %d leaves", leavesOf)
	}
}

func fields(lost []conversation.Loss) (all []string) {
	for _, l := range lost {
		all = append(all, l.Field)
	}
	return all
}

// translated returns the events of an answer, of which a whole one is the only one, and what a client is told of them.
func translated(t *testing.T, r *recorded.Exchange, client llm.Dialect) (events [][]byte, said told, err error) {
	reshaped := client == r.Dialect() // its own client wants the other form
	if r.Response.Kind == "json" && !strings.HasPrefix(string(r.Answer()), "[") {
		if said, err = whole(r.Dialect(), client, r.Answer()); reshaped {
			said, err = asStream(r.Dialect(), client, r.Answer())
		}
		return [][]byte{r.Answer()}, said, err
	}
	raw, err := r.Events()
	if err != nil {
		t.Fatal(err)
	}
	payloads(raw, func(p []byte) error { events = append(events, bytes.Clone(p)); return nil })
	if said, err = inPieces(r.Dialect(), client, raw); reshaped {
		said, err = asWhole(r.Dialect(), client, raw)
	}
	return events, said, err
}

// block returns the way to the block of the whole answer that an event is about, or "".
func block(event []byte) string {
	var e struct {
		Index  *int `json:"index"`
		Output *int `json:"output_index"`
	}
	json.Unmarshal(event, &e)
	switch {
	case e.Output != nil:
		return "output[" + strconv.Itoa(*e.Output) + "]"
	case e.Index != nil:
		return "content[" + strconv.Itoa(*e.Index) + "]"
	}
	return ""
}

// listed reports whether a place of an answer is listed as lost, or something that it stands in.
func listed(lost []conversation.Loss, at string) bool {
	return at != "" && slices.ContainsFunc(lost, func(l conversation.Loss) bool { return within(at, strings.TrimPrefix(l.Field, "answer:")) })
}

// TestMembersPutAnywhereInAnswersAreListed puts a member that nobody knows into each object of every recorded answer, whole
// or an event: it is listed with the way to it, or what it stands in is.
func TestMembersPutAnywhereInAnswersAreListed(t *testing.T) {
	put, silent := 0, map[string]bool{}
	for _, r := range conversations(t) {
		if r.Response.Status != 200 {
			continue
		}
		client := llm.OpenAI
		if r.Dialect() == client || r.Dialect() == llm.Mistral {
			client = llm.Anthropic
		}
		own := echoed[r.Dialect()]
		events, _, err := translated(t, r, client)
		if err != nil {
			continue
		}
		marked, places := make([][]byte, len(events)), make([][]string, len(events))
		for i, raw := range events {
			v := value(raw)
			each("", v, func(at string, o map[string]any) {
				if own == nil || !own.MatchString(number.ReplaceAllString(at, "[]")) {
					places[i] = append(places[i], at)
				}
			})
			marked[i], _ = json.Marshal(mark(v))
		}
		lost, err := lostOf(r.Dialect(), client, marked, r.Streaming)
		if err != nil || listed(lost, "and more") {
			continue
		}
		for i := range events {
			of := block(events[i])
			for _, at := range places[i] {
				put++
				if name := strings.TrimPrefix(at+".x_nobody", "."); !listed(lost, name) && !listed(lost, of) && !silent[number.ReplaceAllString(name, "[]")] {
					silent[number.ReplaceAllString(name, "[]")] = true
					t.Errorf("%s: %s is lost in silence", r.Name, name)
				}
			}
		}
	}
	if t.Logf("%d are put", put); put < 5000 {
		t.Errorf("only %d are put", put)
	}
}

// mark puts a member into each object of a value.
func mark(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = mark(inner)
		}
		v["x_nobody"] = 1
	case []any:
		for i, inner := range v {
			v[i] = mark(inner)
		}
	}
	return v
}

// lostOf returns what is listed as lost of an answer whose events these are.
func lostOf(from, client llm.Dialect, events [][]byte, stream bool) ([]conversation.Loss, error) {
	if !stream {
		said, err := whole(from, client, events[0])
		return said.lost, err
	}
	d := UpstreamTranslator(from).Decoder()
	l := conversation.Losses{Places: Translator(client).Places()}
	for _, p := range events {
		deltas, err := d.Event(p, nil)
		if err != nil {
			return nil, err
		}
		for i := range deltas {
			l.Delta(&deltas[i])
		}
	}
	l.Left(d.Left())
	return l.All(), nil
}
