package openai

import (
	"bytes"
	"mime"
	"net/textproto"
	"strings"

	"github.com/ginnel/ginnel/sdk/dialect"
	"github.com/ginnel/ginnel/sdk/llm"
)

// uploads reports whether an operation takes files as form data.
func uploads(op llm.Op) bool {
	return op == llm.OpTranscriptions || op == llm.OpTranslations || op == llm.OpImageEdits || op == llm.OpImageVariations
}

// upload reads form data. No filter can look into a file, so all of it is out of sight. It is read as strictly as a
// reader can be, because another one decides which model is called: what stands in two places, or could be the
// beginning of a part for somebody, is refused.
func (q *requestReader) upload(body []byte) error {
	refuse := func(why string) error {
		return &llm.Error{Code: llm.CodeInvalid, Message: "the form data cannot be read: " + why}
	}
	q.mark("file")
	delimiter := []byte("--" + q.into.Boundary)
	if q.into.Boundary == "" {
		return refuse("the content type must be multipart/form-data with a boundary")
	}
	if !bytes.HasPrefix(body, delimiter) {
		return refuse("it does not begin with its boundary")
	}
	seen := make(map[string]bool)
	for at := len(delimiter); ; {
		switch rest := body[at:]; {
		case string(rest) == "--" || string(rest) == "--\r\n":
			return nil
		case !bytes.HasPrefix(rest, []byte("\r\n")):
			return refuse("a boundary does not end its line")
		}
		at += 2
		n := bytes.Index(body[at:], delimiter)
		if n < 2 || string(body[at+n-2:at+n]) != "\r\n" {
			return refuse("it does not end, or its boundary stands inside a part")
		}
		head, content, ok := bytes.Cut(body[at:at+n-2], []byte("\r\n\r\n"))
		if !ok {
			return refuse("a part has no head")
		}
		name, err := partName(head)
		if err != "" {
			return refuse(err)
		}
		begin := at + len(head) + 4
		if err := q.formField(name, content, dialect.Span{Start: begin, End: begin + len(content)}, seen[name]); err != "" {
			return refuse(err)
		}
		seen[name] = true
		at += n + len(delimiter)
	}
}

// partName returns the name of a part by its head, or what is wrong with it.
func partName(head []byte) (name, wrong string) {
	found := false
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		field, value, ok := strings.Cut(string(line), ":")
		if !ok || field == "" || strings.ContainsAny(string(line), "\r\n\x00") || strings.TrimSpace(field) != field {
			return "", "the head of a part is malformed"
		}
		switch textproto.CanonicalMIMEHeaderKey(field) {
		case "Content-Disposition":
		case "Content-Transfer-Encoding": // RFC 7578, section 4.7: some decode it all the same
			switch strings.ToLower(strings.TrimSpace(value)) {
			case "binary", "8bit", "7bit":
				continue
			}
			return "", "a part is encoded"
		case "Content-Encoding":
			return "", "a part is encoded"
		case "Content-Type":
			if strings.HasPrefix(strings.ToLower(strings.TrimSpace(value)), "multipart/") {
				return "", "a part has parts of its own"
			}
			continue
		default:
			continue
		}
		if strings.ContainsAny(value, `*\`) {
			return "", "a part's name or file name has a backslash or an asterisk, which not all readers take for the same"
		}
		kind, params, err := mime.ParseMediaType(value)
		if err != nil || kind != "form-data" || found {
			return "", "the head of a part is malformed"
		}
		name, found = params["name"], true
	}
	if !found || name == "" {
		return "", "a part has no name"
	}
	return name, ""
}

// formField takes over a field of the form, or says what is wrong with it.
func (q *requestReader) formField(name string, content []byte, at dialect.Span, again bool) (wrong string) {
	lower := strings.ToLower(name)
	switch lower {
	case "model", "stream", "purpose", "file", "file_id":
	default:
		if strings.HasPrefix(lower, "file_id") { // as file_ids and file_id[], which some take for file_id
			return "a field's name begins with file_id and is another"
		}
		return ""
	}
	switch {
	case lower != name:
		return "a field's name is written in another case"
	case again:
		return "a field that can be there once is there twice"
	case lower == "file":
		q.into.File = at
	case lower == "file_id": // instead of a file
		q.into.Files = append(q.into.Files, string(content[:min(len(content), 1<<10)]))
	case lower == "purpose":
		q.into.Purpose = string(content[:min(len(content), 1<<7)])
	case lower == "model":
		if len(content) > 1<<10 || bytes.ContainsAny(content, "\r\n\x00") {
			return "the model's name is malformed"
		}
		q.into.ModelSpan = at
	case lower == "stream":
		switch string(content) {
		case "true", "True", "1":
			q.into.Stream = true
		case "false", "False", "0", "":
		default:
			return "stream must be true or false"
		}
	}
	return ""
}
