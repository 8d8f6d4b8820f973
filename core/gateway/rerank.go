package gateway

import (
	"cmp"

	"github.com/ginnel/ginnel/core/upstream"
	"github.com/ginnel/ginnel/sdk/dialect/rerank"
)

// translatedRerank returns the body that asks for the client's texts in order in the plan's dialect.
func (s *serving) translatedRerank(t *upstream.Target, p *upstream.Plan) ([]byte, error) {
	client, provider, err := sides[rerank.Codec, rerank.UpstreamCodec](s, p.Dialect)
	if err != nil {
		return nil, err
	}
	q, err := client.DecodeRerank(s.x.Request.Body.Bytes())
	if err != nil {
		return nil, err
	}
	q.Model = t.Model
	body, lost, err := provider.EncodeRerank(q)
	if err != nil {
		return nil, err
	}
	s.lost, s.reranking = lost, q
	return body, nil
}

// translateRanking returns an answer with texts in order in the client's dialect.
func (s *serving) translateRanking(raw []byte) ([]byte, error) {
	client, provider, err := sides[rerank.Codec, rerank.UpstreamCodec](s, s.answer.Dialect)
	if err != nil {
		return nil, err
	}
	a, err := provider.DecodeRanking(raw)
	if err == nil {
		err = a.Settle(s.reranking)
	}
	if err != nil {
		return nil, upstreams(err)
	}
	a.ID, a.Model = cmp.Or(a.ID, s.x.ID), cmp.Or(a.Model, s.x.Model)
	s.untold = a.Usage == nil
	return client.EncodeRanking(s.reranking, a), nil
}
