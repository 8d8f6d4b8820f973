package gateway

import (
	"strings"

	"github.com/ginnel/ginnel/core/exchange"
	"github.com/ginnel/ginnel/sdk/llm"
)

// Conversations are kept where files are: like these they name no model, and stay until they are deleted. A response
// that is made in one goes to that provider.

// Containers are there, too: those that are made, and those in which the code of an answer ran.

// talks reports whether the exchange is about conversations or containers, which have things in them.
func (s *serving) talks() bool { return s.x.Op == llm.OpConversations || s.x.Op == llm.OpContainers }

// ranThere reports whether code of the caller's ran in a container.
func (s *serving) ranThere(id string) (bool, error) {
	if s.route.Files.Targets[0].SharedFiles {
		return true, nil // where none is remembered
	}
	_, found, err := s.Uploads.Left(s.owner, id)
	return found, err
}

// bare reports whether the answer is a file's content.
func (s *serving) bare() bool {
	act := s.endpoint.Act
	return act == "content" || s.x.Op == llm.OpContainers && strings.HasPrefix(act, "files/") && strings.HasSuffix(act[len("files/"):], "/content")
}

// readTalk reads what a conversation or container is made of, or gets.
func (s *serving) readTalk() *exchange.Reply {
	x := s.x
	if x.Unseen = s.endpoint.Unseen; x.Method != "POST" {
		return nil
	}
	if reply := s.receive(s.endpoint.Boundary == ""); reply != nil {
		return reply
	}
	s.request.Boundary = s.endpoint.Boundary
	if err := s.codec.Request(x.Op, x.Request.Body.Raw(), &s.request); err != nil {
		return s.fail(exchange.ClientError, publicOf(err, "the request's body cannot be read"), err)
	}
	x.Request.Body = x.Request.Body.Read(s.request.Texts)
	if s.request.Unseen != "" {
		x.Unseen = s.request.Unseen
	}
	return nil
}

// conversed refuses what may not be put into a conversation, or be read in one.
func (s *serving) conversed() *exchange.Reply {
	switch {
	case !s.talks():
		return nil
	case s.x.Op == llm.OpConversations && s.x.Method == "GET" && s.endpoint.Act != "" && s.flow.SeesAnswers():
		return s.fail(exchange.Denied, &llm.Error{Code: llm.CodeDenied, Message: "the items of conversations are not served here: a filter of this route looks at what models say, and cannot see it in there"}, nil)
	}
	if err := s.owns(s.route.Files.Targets[0], append(s.request.Files, s.request.Items...)); err != nil {
		return s.notOwned(err)
	}
	return nil
}
