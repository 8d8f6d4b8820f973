package gateway

import (
	"strconv"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// listModels answers with the models that the caller may use, or with the one it asks for.
func (s *serving) listModels() *exchange.Reply {
	header := llm.Header{{Name: "Content-Type", Value: contentJSON}}
	s.end = exchange.Completed
	if name := s.request.Model; name != "" {
		m := s.find(name)
		if m == nil {
			return s.unknownModel(name)
		}
		return s.reply(200, header, appendModel(nil, name, m.Created))
	}
	body := append([]byte(nil), `{"object":"list","data":[`...)
	for i := range s.route.Models {
		m := &s.route.Models[i]
		if s.find(m.Name) == nil {
			continue
		}
		for n, name := range append([]string{m.Name}, m.Aliases...) {
			if i+n > 0 && body[len(body)-1] == '}' {
				body = append(body, ',')
			}
			body = appendModel(body, name, m.Created)
		}
	}
	return s.reply(200, header, append(body, "]}"...))
}

func appendModel(dst []byte, name string, created int64) []byte {
	dst = append(dst, `{"id":"`...)
	dst = dialect.AppendQuoted(dst, []byte(name))
	dst = append(dst, `","object":"model","created":`...)
	dst = strconv.AppendInt(dst, created, 10)
	return append(dst, `,"owned_by":"ginnel"}`...)
}
