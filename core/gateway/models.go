package gateway

import (
	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// listModels answers with the models that the caller may use, or with the one it asks for.
func (s *serving) listModels() *exchange.Reply {
	header := llm.Header{{Name: "Content-Type", Value: contentJSON}}
	s.end = exchange.Completed
	if name := s.endpoint.Model; name != "" {
		m := s.find(name)
		if m == nil {
			return s.unknownModel(name)
		}
		return s.reply(200, header, s.codec.AppendModel(nil, dialect.Model{Name: name, Created: m.Created}))
	}
	var models []dialect.Model
	for i := range s.route.Models {
		m := &s.route.Models[i]
		if s.find(m.Name) == nil {
			continue
		}
		for _, name := range append([]string{m.Name}, m.Aliases...) {
			models = append(models, dialect.Model{Name: name, Created: m.Created})
		}
	}
	return s.reply(200, header, s.codec.AppendModels(nil, models))
}
