package main

import "github.com/ginnel/ginnel/sdk/filter"

// requestHead looks at the request line and the headers.
func requestHead(x filter.Exchange) filter.Action {
	if !config.structured() {
		return filter.Continue
	}
	var f findings
	for _, field := range [...]filter.Field{filter.Path, filter.Query} {
		if a := structuredField(x, &f, field); a != filter.Continue {
			return a
		}
	}
	ms, err := structured.Headers()
	if a := refuseOn(x, &f, ms, err); a != filter.Continue {
		return a
	}
	f.report(x, "request")
	return filter.Continue
}

// requestText looks at every text of the conversation and at the model's name.
func requestText(x filter.Exchange) filter.Action {
	if config.unseen {
		if what := x.Get(filter.Unseen); what != "" {
			return refuse(x, classUnseen, "the content of "+what+" cannot be checked")
		}
	}
	var f findings
	if config.structured() {
		if a := structuredField(x, &f, filter.Model); a != filter.Continue {
			return a
		}
	}
	for i, n := 0, x.Texts(); i < n; i++ {
		t := x.Text(i)
		if config.structured() {
			if a := structuredText(x, &f, t); a != filter.Continue {
				return a
			}
		}
		if config.secrets != off {
			if a := secretsIn(x, &f, t); a != filter.Continue {
				return a
			}
		}
	}
	f.report(x, "request")
	return filter.Continue
}

// structuredField looks at a field that cannot be edited: to redact it is to deny it.
func structuredField(x filter.Exchange, f *findings, field filter.Field) filter.Action {
	ms, err := structured.Field(field)
	if err == filter.Error(notFound) {
		return filter.Continue
	}
	return refuseOn(x, f, ms, err)
}

func refuseOn(x filter.Exchange, f *findings, ms filter.Matches, err error) filter.Action {
	worst, class := f.judge(ms, err)
	switch {
	case err != nil && worst == off:
		return failed("scan", err)
	case worst >= redact:
		return refuse(x, class, "a field of the request")
	}
	return filter.Continue
}

// structuredText looks at a text that programs read, and leaves messages alone.
func structuredText(x filter.Exchange, f *findings, t filter.Text) filter.Action {
	_, kind := t.Info()
	if kind != filter.KindStructured && (kind != filter.KindArguments || !config.arguments) {
		return filter.Continue
	}
	ms, err := structured.Text(t)
	worst, class := f.judge(ms, err)
	switch {
	case err != nil && worst == off:
		return failed("scan", err)
	case worst == deny:
		where := "a structured field"
		if kind == filter.KindArguments {
			where = "a tool's arguments"
		}
		return refuse(x, class, where)
	case worst == redact:
		return done(t.Replace(stand(class, kind)))
	}
	return filter.Continue
}

// stand is what stands in the place of a whole field; arguments stay JSON.
func stand(class string, kind filter.Kind) []byte {
	if kind == filter.KindArguments {
		return []byte(`{"redacted":"` + class + `"}`)
	}
	return []byte(placeholder + class + "]")
}

// secretsIn looks for secrets in a text of the request.
func secretsIn(x filter.Exchange, f *findings, t filter.Text) filter.Action {
	ms, err := secrets.Text(t)
	if err != nil {
		return unchecked(x, err)
	}
	if ms.Len() == 0 {
		return filter.Continue
	}
	spans := collect(ms)
	f.secrets(&secrets, spans)
	switch config.secrets {
	case deny:
		return refuse(x, classSecrets, "a text of the request")
	case redact:
		for i := len(spans) - 1; i >= 0; i-- {
			if err := t.Splice(spans[i].from, spans[i].to, spans[i].with(&secrets)); err != nil {
				return failed("redact", err)
			}
		}
	}
	return filter.Continue
}
