package openai_test

import (
	"slices"
	"testing"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/dialect/openai"
	"github.com/ginnel/ginnel/sdk/llm"
)

func TestSubprotocols(t *testing.T) {
	keys, offered := openai.Codec{}.Subprotocols(llm.Header{
		{Name: "sec-websocket-protocol", Value: "realtime,openai-insecure-api-key.a , openai-organization.o"},
		{Name: "Sec-WebSocket-Protocol", Value: "openai-project.p, x, openai-insecure-api-key.b,,"},
		{Name: "Other", Value: "y"},
	})
	if !slices.Equal(keys, []string{"a", "b"}) || !slices.Equal(offered, []string{"realtime", "x"}) {
		t.Errorf("%q, %q", keys, offered)
	}
}

func TestRealtimeEndpoint(t *testing.T) {
	for query, want := range map[string]string{"model=gpt%2Frealtime+x": "gpt/realtime x", "intent=a&model=b": "b", "": "", "model=%zz": "", "Model=a": ""} {
		e, ok := openai.Codec{}.Endpoint("GET", "/v1/realtime", query, nil)
		if !ok || e.Op != llm.OpRealtime || e.Model != want || e.Query != "" {
			t.Errorf("%s: %+v", query, e)
		}
	}
	if _, ok := (openai.Codec{}).Endpoint("POST", "/v1/realtime", "", nil); ok {
		t.Error("a POST is a session")
	}
}

func TestRealtimeUsage(t *testing.T) {
	for message, want := range map[string]*llm.Usage{
		`{"type":"response.done","response":{"status":"completed","usage":{"total_tokens":30,"input_tokens":20,"output_tokens":10,"input_token_details":{"text_tokens":5,"audio_tokens":15,"cached_tokens":8},"output_token_details":{"audio_tokens":10}}}}`: {InputTotal: 20, CacheRead: 8, OutputTotal: 10},
		`{"response":{"usage":{"input_tokens":1,"output_tokens":2,"total_tokens":3}},"type":"response.done"}`:                                                                                                                                                {InputTotal: 1, OutputTotal: 2},
		`{"type":"response.created","response":{"usage":{"input_tokens":1}}}`:                                                                                                                                                                                nil,
		`{"type":"response.done","response":{"usage":null}}`:                                                                                                                                                                                                 nil,
		`{"type":"conversation.item.input_audio_transcription.completed","usage":{"input_tokens":9}}`:                                                                                                                                                        {InputTotal: 9},
		`{"type":"conversation.item.input_audio_transcription.completed","item_id":"i","transcript":"hi","usage":{"type":"tokens","total_tokens":22,"input_tokens":13,"input_token_details":{"text_tokens":0,"audio_tokens":13},"output_tokens":9}}`:         {InputTotal: 13, OutputTotal: 9},
		`{"usage":{"type":"tokens","input_tokens":13,"output_tokens":9},"response":{"usage":{"input_tokens":1}},"type":"conversation.item.input_audio_transcription.completed"}`:                                                                             {InputTotal: 13, OutputTotal: 9},
		`{"usage":{"input_tokens":13},"response":{"usage":{"input_tokens":1}},"type":"response.done"}`:                                                                                                                                                       {InputTotal: 1},
		`{"type":"conversation.item.input_audio_transcription.completed","transcript":"hi","usage":{"type":"duration","seconds":4}}`:                                                                                                                         nil,
		`{"type":"conversation.item.input_audio_transcription.delta","delta":"h","usage":{"input_tokens":9}}`:                                                                                                                                                nil,
		`[]`: nil,
	} {
		var e dialect.Event
		if err := (openai.Codec{}).Event(llm.OpRealtime, []byte(message), &e); err != nil {
			t.Errorf("%s: %v", message, err)
		}
		if (e.Usage == nil) != (want == nil) {
			t.Errorf("%s: %+v", message, e.Usage)
		} else if want != nil && (e.Usage.InputTotal != want.InputTotal || e.Usage.CacheRead != want.CacheRead || e.Usage.OutputTotal != want.OutputTotal || len(e.Usage.Raw) == 0) {
			t.Errorf("%s: %+v", message, e.Usage)
		}
	}
}

func FuzzRealtime(f *testing.F) {
	f.Add([]byte(`{"type":"session.update","session":{"model":"a","audio":{"input":{"transcription":{"model":"b"}}}}}`))
	f.Add([]byte(`{"type":"response.done","response":{"status":"completed","usage":{"input_tokens":1,"input_token_details":{}}}}`))
	f.Add([]byte(`{"type":"conversation.item.input_audio_transcription.completed","transcript":"hi","usage":{"type":"tokens","input_tokens":1,"input_token_details":{"audio_tokens":1}}}`))
	f.Fuzz(func(t *testing.T, message []byte) {
		var q dialect.Request
		if (openai.Codec{}).Request(llm.OpRealtime, message, &q) == nil && q.ModelSpan.End > len(message) {
			t.Error("a span beyond the message")
		}
		var e dialect.Event
		if (openai.Codec{}).Event(llm.OpRealtime, message, &e) == nil && e.Usage != nil && (e.Usage.InputTotal < 0 || e.Usage.CacheRead > e.Usage.InputTotal) {
			t.Errorf("%+v", e.Usage)
		}
	})
}
