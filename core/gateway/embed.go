package gateway

import (
	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/dialect/embedding"
	"github.com/ginnel/ginnel/sdk/llm"
)

// embeds reports whether the exchange is about embeddings.
func (s *serving) embeds() bool {
	return s.x.Op == llm.OpEmbeddings || s.x.Op == llm.OpBatchEmbeddings
}

// translatedEmbeddings returns the body that asks for the client's embeddings in the plan's dialect.
func (s *serving) translatedEmbeddings(t *upstream.Target, p *upstream.Plan) ([]byte, error) {
	client, provider, err := sides[embedding.Codec, embedding.UpstreamCodec](s, p.Dialect)
	if err != nil {
		return nil, err
	}
	q, err := client.DecodeEmbeddings(s.x.Op, s.x.Request.Body.Bytes())
	if err != nil {
		return nil, err
	}
	if len(q.Inputs) == 0 {
		return nil, &llm.Error{Code: llm.CodeInvalid, Message: "the request has no text to embed"}
	}
	q.Model = t.Model
	body, lost, err := provider.EncodeEmbeddings(p.Op, q)
	if err != nil {
		return nil, err
	}
	s.lost, s.embedding, s.embeddingOp = lost, q, p.Op
	return body, nil
}

// translateVectors returns an answer with embeddings in the client's dialect.
func (s *serving) translateVectors(raw []byte) ([]byte, error) {
	client, provider, err := sides[embedding.Codec, embedding.UpstreamCodec](s, s.answer.Dialect)
	if err != nil {
		return nil, err
	}
	a, err := provider.DecodeVectors(s.embeddingOp, raw)
	if err != nil {
		return nil, upstreams(err)
	}
	if len(a.Vectors) != len(s.embedding.Inputs) {
		return nil, &llm.Error{Code: llm.CodeUpstream, Message: "the upstream's answer does not have a vector for each text"}
	}
	if a.Model == "" {
		a.Model = s.x.Model
	}
	s.untold = a.Usage == nil
	if raw, err = client.EncodeVectors(s.x.Op, s.embedding, a); err != nil {
		return nil, conversation.Unreadable()
	}
	return raw, nil
}
