package bedrock

import (
	"cmp"
	"strconv"

	"github.com/ginnel/ginnel/sdk/dialect/conversation"
	"github.com/ginnel/ginnel/sdk/llm"
)

// The budgets of reasoning for words of other dialects, and the least one; the limit of an answer that
// thinks where nobody says one.
const (
	minBudget        = 1024
	defaultMaxTokens = 4096
)

var budgets = map[string]int64{"minimal": minBudget, "low": minBudget, "medium": 4096, "high": 16384, "xhigh": 32768, "max": 32768}

// efforts are the words of OpenAI's and Amazon's models for those of other dialects.
var efforts = map[string]string{"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}

// thoughts is how much a model is told to think.
type thoughts struct {
	budget int64  // of Anthropic's models; -1 = as they like
	effort string // of OpenAI's and Amazon's
	limit  int64  // of the answer
}

// thinking decides how much the model thinks, in the words of its maker.
func (e *encoder) thinking(longest int64) (t thoughts) {
	q, r := e.q, e.q.Reasoning
	t.limit = q.MaxTokens
	off := r.Off || r.Effort == "none"
	if !off && r.Budget == 0 && r.Effort == "" {
		return t
	}
	switch {
	case off && (e.maker == anthropic || e.maker == amazon): // Amazon's do not think unless they are told to
	case off && e.maker == openai:
		e.lost.Drop("reasoning_effort", "OpenAI's models always think here")
	case e.maker == anthropic:
		return e.budget(t, longest)
	case e.maker == openai || e.maker == amazon:
		if t.effort = effortOf(r.Budget); r.Effort != "" {
			t.effort = efforts[r.Effort]
		}
		if t.effort == "" {
			e.lost.Drop("reasoning_effort", "the model has no such word")
		}
	default:
		e.lost.Drop("reasoning_effort", "what this model is told about thinking is not known")
	}
	return t
}

func (e *encoder) budget(t thoughts, longest int64) thoughts {
	r, said := e.q.Reasoning, t.limit > 0
	budget := r.Budget
	if budget == 0 {
		budget = budgets[r.Effort]
	}
	if budget < 0 && !conversation.ClaudeAdapts(e.q.Model) {
		budget = cmp.Or(budgets[r.Effort], budgets["medium"])
	}
	switch {
	case budget == 0:
		e.lost.Drop("reasoning_effort", "Anthropic's models have no such word")
		return t
	case !conversation.ClaudeThinks(e.q.Model):
		e.lost.Drop("reasoning_effort", "this model of Anthropic's does not think")
		return t
	case e.q.ToolChoice.Mode == conversation.ToolRequired:
		e.lost.Drop("reasoning_effort", "a tool must be called, which excludes thinking of Anthropic's models")
		return t
	case e.unsigned():
		e.lost.Drop("reasoning_effort", "the conversation has tool calls without the thinking that led to them, which Anthropic's models want back")
		return t
	}
	if !said && longest > 0 {
		t.limit, said = longest, true
	}
	switch {
	case budget < 0: // output says how much, where somebody did
		t.budget = budget
		return t
	case conversation.AdaptiveOnly(e.q.Model):
		if t.budget = -1; !said {
			t.limit = defaultMaxTokens + budget
		}
		return t
	case !said:
		t.limit = defaultMaxTokens + max(budget, minBudget)
	case t.limit <= minBudget:
		e.lost.Drop("reasoning_effort", "the limit of the answer leaves no room for it")
		return t
	case budget >= t.limit:
		budget = max(minBudget, t.limit/2)
	}
	t.budget = max(budget, minBudget)
	return t
}

// unsigned reports whether the turn that the model is in has tool calls without sealed thinking.
func (e *encoder) unsigned() bool {
	for i := len(e.q.Turns) - 1; i >= 0; i-- {
		t := &e.q.Turns[i]
		calls, sealed := false, false
		for _, p := range t.Parts {
			calls = calls || p.Kind == conversation.ToolCall
			sealed = sealed || p.Kind == conversation.Thinking && p.Opaque.Vendor == conversation.VendorAnthropic
			if t.Role == conversation.User && p.Kind != conversation.ToolResult {
				return false // here the turn began
			}
		}
		if calls && !sealed {
			return true
		}
	}
	return false
}

func effortOf(budget int64) string {
	switch {
	case budget < 0:
		return "medium"
	case budget <= minBudget:
		return "low"
	case budget <= budgets["medium"]:
		return "medium"
	}
	return "high"
}

func (e *encoder) inference(t thoughts) {
	q := e.q
	temperature, topP, newer := q.Temperature, q.TopP, conversation.AdaptiveOnly(q.Model)
	if why := q.NoClaudeTopP(t.budget != 0); why != "" && e.maker == anthropic {
		e.lost.Drop("top_p", why)
		topP = ""
	}
	if (t.budget != 0 || newer) && temperature != "" {
		e.lost.Drop("temperature", "this model of Anthropic's, or one that thinks, has none")
		temperature = ""
	} else if n, err := strconv.ParseFloat(string(temperature), 64); err == nil && n > 1 {
		e.lost.Drop("temperature", "it is 1 at most in Converse")
		temperature = "1"
	}
	if t.limit == 0 && temperature == "" && topP == "" && len(q.Stop) == 0 {
		return
	}
	e.Key("inferenceConfig")
	e.Object()
	e.Count("maxTokens", t.limit)
	e.Member("temperature", []byte(temperature))
	e.Member("topP", []byte(topP))
	if len(q.Stop) > 0 {
		e.Key("stopSequences")
		e.Strings(q.Stop)
	}
	e.EndObject()
}

// tools writes the tools and which of them may be called. That none may be is said by leaving them out,
// which the service takes only where the conversation has no calls; where it has some, and the request no
// tools, it wants those that were called.
func (e *encoder) tools() {
	q, called := e.q, e.called()
	tools := q.Tools
	if q.ToolChoice.Mode == conversation.ToolNone {
		if len(called) > 0 {
			e.refuse("tool_choice")
		}
		return
	}
	if len(tools) == 0 {
		tools = called
	}
	if len(tools) == 0 {
		return
	}
	e.Key("toolConfig")
	e.Object()
	e.Key("tools")
	e.Array()
	for i := range tools {
		e.tool(i, &tools[i])
	}
	e.EndArray()
	e.toolChoice()
	e.EndObject()
	if e.serial() && !e.tellsSerial() {
		e.lost.Drop("parallel_tool_calls", "Converse cannot tell this model to call one tool at a time")
	}
}

// called returns the tools that the conversation has calls or results of, each once. Nobody says what they take.
func (e *encoder) called() (tools []conversation.Tool) {
	seen := map[string]bool{}
	for i := range e.q.Turns {
		for _, p := range e.q.Turns[i].Parts {
			name := ""
			switch p.Kind {
			case conversation.ToolCall:
				name = p.Call.Name
			case conversation.ToolResult:
				name = p.Result.Name
			}
			if name != "" && !seen[name] {
				seen[name] = true
				tools = append(tools, conversation.Tool{Name: name})
			}
		}
	}
	return tools
}

// serial reports whether the model shall call one tool at a time.
func (e *encoder) serial() bool {
	return len(e.q.Tools) > 0 && e.q.Parallel != nil && !*e.q.Parallel && e.q.ToolChoice.Mode != conversation.ToolNone
}

// tellsSerial reports whether the model can be told so: Anthropic's, in the words for which tools may be called, which
// are Converse's where one must be.
func (e *encoder) tellsSerial() bool {
	return e.maker == anthropic && e.q.ToolChoice.Mode != conversation.ToolRequired
}

func (e *encoder) tool(i int, t *conversation.Tool) {
	if t.Native != nil {
		if t.Native.Dialect != llm.Bedrock {
			e.refuse(t.Where(i) + " (" + t.Native.Type + ")")
			return
		}
		e.Object()
		e.Member(t.Native.Type, t.Native.Raw)
		e.EndObject()
		return
	}
	e.block("toolSpec")
	e.Text("name", t.Name)
	e.Text("description", t.Description)
	e.Key("inputSchema")
	e.Object()
	e.Key("json")
	if t.Parameters == nil {
		e.Raw([]byte(`{"type":"object"}`))
	} else {
		e.Raw(t.Parameters)
	}
	e.EndObject()
	if t.Strict != nil && *t.Strict {
		e.Key("strict")
		e.Bool(true)
	}
	e.end()
	e.cache(t.Cache)
}

func (e *encoder) toolChoice() {
	c := e.q.ToolChoice
	kind := map[conversation.ToolMode]string{conversation.ToolAuto: "auto", conversation.ToolRequired: "any"}[c.Mode]
	if len(c.Names) > 0 {
		if kind = "tool"; len(c.Names) > 1 || c.Mode != conversation.ToolRequired {
			e.refuse("tool_choice")
		}
	}
	if kind == "" {
		return
	}
	e.Key("toolChoice")
	e.block(kind)
	if kind == "tool" {
		e.Text("name", c.Names[0])
	}
	e.end()
}

// additional writes what Converse has no words for and the model's maker has.
func (e *encoder) additional(t thoughts) {
	q := e.q
	e.lost.Summary(&q.Reasoning, t.budget != 0 || t.effort != "")
	topK := q.TopK
	if topK != "" && e.maker != anthropic && e.maker != amazon {
		e.lost.Drop("top_k", "what this model calls it is not known")
		topK = ""
	}
	if topK != "" && (t.budget != 0 || conversation.AdaptiveOnly(q.Model)) {
		e.lost.Drop("top_k", "this model of Anthropic's, or one that thinks, has none")
		topK = ""
	}
	off, serial := e.maker == anthropic && q.Reasoning.Off && conversation.ClaudeThinks(q.Model), e.serial() && e.tellsSerial()
	if t.budget == 0 && t.effort == "" && topK == "" && !off && !serial {
		return
	}
	e.Key("additionalModelRequestFields")
	e.Object()
	switch {
	case off:
		e.Key("thinking")
		e.Raw([]byte(`{"type":"disabled"}`))
	case t.budget < 0:
		e.Key("thinking")
		e.Raw([]byte(conversation.Adaptive(e.q.Model)))
	case t.budget > 0:
		e.Key("thinking")
		e.Object()
		e.Text("type", "enabled")
		e.Count("budget_tokens", t.budget)
		e.EndObject()
	case t.effort != "" && e.maker == openai:
		e.Text("reasoning_effort", t.effort)
	case t.effort != "":
		e.Key("reasoningConfig")
		e.Object()
		e.Text("type", "enabled")
		e.Text("maxReasoningEffort", t.effort)
		e.EndObject()
	}
	if serial {
		e.Key("tool_choice")
		e.Raw([]byte(`{"type":"auto","disable_parallel_tool_use":true}`))
	}
	if topK != "" && e.maker == anthropic {
		e.Member("top_k", []byte(topK))
	} else if topK != "" {
		e.Key("inferenceConfig")
		e.Object()
		e.Member("topK", []byte(topK))
		e.EndObject()
	}
	e.EndObject()
}

// output writes how much a model of Anthropic's thinks that does so as it likes, and the schema of the answer.
func (e *encoder) output(t thoughts) {
	effort, schema := "", e.q.Format.Kind == conversation.FormatSchema
	if t.budget < 0 {
		effort = e.q.Reasoning.ClaudeEffort()
	}
	if effort == "" && !schema {
		return
	}
	e.Key("outputConfig")
	e.Object()
	e.Text("effort", effort)
	if schema {
		if e.maker == anthropic && !conversation.ClaudeFormats(e.q.Model) {
			e.refuse("response_format")
		}
		e.schema()
	}
	e.EndObject()
}

// schema writes the schema of the answer, as the string that the service wants.
func (e *encoder) schema() {
	f := e.q.Format
	if e.maker == anthropic {
		f.Schema = e.lost.ClaudeSchema(&f)
	}
	e.Key("textFormat")
	e.Object()
	e.Text("type", "json_schema")
	e.Key("structure")
	e.block("jsonSchema")
	e.Text("schema", string(f.Schema))
	e.Text("name", f.Name)
	e.Text("description", f.Description)
	e.end()
	e.EndObject()
}

// unsayable refuses or drops what the dialect has no words for.
func (e *encoder) unsayable() {
	q := e.q
	if q.Choices > 1 {
		e.refuse("n")
	}
	if q.Logprobs {
		e.refuse("logprobs")
	}
	for _, f := range []struct {
		name  string
		value conversation.Number
	}{{"frequency_penalty", q.FrequencyPenalty}, {"presence_penalty", q.PresencePenalty}, {"seed", q.Seed}} {
		if n, err := strconv.ParseFloat(string(f.value), 64); err == nil && (n != 0 || f.name == "seed") {
			e.lost.Drop(f.name, "Converse has nothing like it")
		}
	}
	e.lost.Wishes(q)
	if q.CacheKey != "" {
		e.lost.Drop("prompt_cache_key", "Converse marks what is cached")
	}
	if q.User != "" {
		e.lost.Drop("user", "Converse has no place for the end user")
	}
}
