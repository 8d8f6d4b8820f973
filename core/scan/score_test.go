package scan

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"testing"
)

// row is a labelled text of the corpus.
type row struct {
	Label, Category, Text string
	Spans                 [][3]any // of personal data: type, first and last character
}

// corpus reads a file of labelled texts, or skips the test.
func corpus(t testing.TB, name string) (rows []row) {
	t.Helper()
	dir := os.Getenv("GINNEL_CORPUS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpus")
	}
	f, err := os.Open(filepath.Join(dir, "security", name))
	if err != nil {
		t.Skip("no corpus: set GINNEL_CORPUS")
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<24)
	for sc.Scan() {
		var r row
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	return rows
}

// tally counts hits per category.
type tally map[string][2]int

func (c tally) add(category string, hit bool) {
	for _, k := range []string{category, ""} {
		v := c[k]
		v[1]++
		if hit {
			v[0]++
		}
		c[k] = v
	}
}

func (c tally) rate() float64 { return float64(c[""][0]) / float64(max(c[""][1], 1)) }

func (c tally) print(title string) {
	var keys []string
	for k := range c {
		if k != "" {
			keys = append(keys, k)
		}
	}
	sort.Strings(keys)
	fmt.Printf("%-34s %5d / %5d = %6.2f %%", title, c[""][0], c[""][1], 100*c.rate())
	for _, k := range keys {
		fmt.Printf("  %s %d/%d", k, c[k][0], c[k][1])
	}
	fmt.Println()
}

// TestScoreSecrets prints how many generated secrets are found, per type, and how many texts of
// benign chat hold one.
func TestScoreSecrets(t *testing.T) {
	text := builtin(t, "secrets.rules", "request.rules")
	s := mustCompile(t, string(text))
	rules, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(15, 16))
	found, worst, worstID := tally{}, 2.0, ""
	var worstTally tally
	for _, r := range rules {
		if r.Class != "secrets" {
			continue
		}
		one := tally{}
		for n := range 500 {
			hit := len(mustScan(t, s, expand(t, rnd, r.Yes[n%len(r.Yes)]))) > 0
			one.add(r.ID, hit)
			found.add("", hit)
		}
		if one.rate() < worst {
			worst, worstID, worstTally = one.rate(), r.ID, one
		}
	}
	found[""] = [2]int{found[""][0] / 2, found[""][1] / 2}
	found.print("secrets: found of generated")
	worstTally.print("  worst type")
	if found.rate() < 0.95 || worst < 0.9 {
		t.Errorf("secrets found: %.3f, %s %.3f", found.rate(), worstID, worst)
	}
	false_ := tally{}
	for _, r := range corpus(t, "benign.jsonl") {
		ms := slices.DeleteFunc(mustScan(t, s, r.Text), func(m Match) bool { return s.Rules()[m.Rule].Class != "secrets" })
		false_.add(r.Category, len(ms) > 0)
		for _, m := range ms {
			t.Logf("benign %s: %s %q", r.Category, s.Rules()[m.Rule].ID, r.Text[m.Start:m.End])
		}
	}
	false_.print("secrets: hits on benign chat")
	if false_.rate() > 0.001 {
		t.Errorf("secrets in benign chat: %.4f", false_.rate())
	}
}

// TestScoreStructured prints how many attacks in structured fields are found, and how many tricky
// benign values are taken for one.
func TestScoreStructured(t *testing.T) {
	s := mustCompile(t, string(builtin(t, "structured.rules", "injection.rules", "fields.rules")))
	attacks, benign := tally{}, tally{}
	for _, r := range corpus(t, "web.jsonl") {
		ms := mustScan(t, s, r.Text)
		if r.Label == "benign" {
			benign.add(r.Category, len(ms) > 0)
			if len(ms) > 0 {
				t.Logf("benign: %s %q", s.Rules()[ms[0].Rule].ID, r.Text)
			}
			continue
		}
		attacks.add(r.Category, len(ms) > 0)
		if len(ms) == 0 {
			t.Logf("missed %s: %.200q", r.Category, r.Text)
		}
	}
	attacks.print("structured: attacks found")
	benign.print("structured: tricky benign taken")
	if attacks.rate() < 0.97 || benign.rate() > 0.05 {
		t.Errorf("structured: %.3f found, %.3f of benign taken", attacks.rate(), benign.rate())
	}
}

// TestScorePrompt prints how many prompt attacks are found, by category, and how much of benign chat
// is taken for one.
func TestScorePrompt(t *testing.T) {
	text := builtin(t, "prompt.rules")
	s := mustCompile(t, string(text))
	rules, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	found := func(text string) bool {
		score, seen := 0, map[int32]bool{}
		for _, m := range mustScan(t, s, text) {
			if !seen[m.Rule] {
				seen[m.Rule] = true
				score += rules[m.Rule].Weight
			}
		}
		return score >= 100
	}
	attacks, benign := tally{}, tally{}
	for _, r := range corpus(t, "prompt.jsonl") {
		attacks.add(r.Category, found(r.Text))
	}
	for _, r := range corpus(t, "benign.jsonl") {
		benign.add(r.Category, found(r.Text))
	}
	attacks.print("prompt: attacks found")
	benign.print("prompt: benign chat taken")
	if attacks.rate() < 0.4 || benign.rate() > 0.005 {
		t.Errorf("prompt: %.3f found, %.3f of benign taken", attacks.rate(), benign.rate())
	}
	for category, n := range benign {
		if 100*n[0] > n[1] {
			t.Errorf("prompt: %d of %d texts of benign %s taken", n[0], n[1], category)
		}
	}
}

// TestScorePersonal prints how much of the corpus' personal data is found, and how many hits are
// none.
func TestScorePersonal(t *testing.T) {
	s := mustCompile(t, string(builtin(t, "pii.rules", "request.rules")))
	types := map[string]string{"EMAIL_ADDRESS": "email", "CREDIT_CARD": "card", "IBAN_CODE": "iban", "US_SSN": "ssn", "PHONE_NUMBER": "phone", "IP_ADDRESS": "ip"}
	found, wrong := tally{}, tally{}
	for _, r := range corpus(t, "pii.jsonl") {
		chars := []rune(r.Text)
		at := func(v any) int { return len(string(chars[:int(v.(float64))])) }
		ms := mustScan(t, s, r.Text)
		over := func(m Match, span [3]any) bool { return m.Start < at(span[2]) && at(span[1]) < m.End }
		for _, span := range r.Spans {
			if class := types[span[0].(string)]; class != "" {
				found.add(class, slices.ContainsFunc(ms, func(m Match) bool { return s.Rules()[m.Rule].Class == class && over(m, span) }))
			}
		}
		for _, m := range ms {
			wrong.add(s.Rules()[m.Rule].Class, !slices.ContainsFunc(r.Spans, func(span [3]any) bool { return over(m, span) }))
		}
	}
	found.print("personal data: found")
	wrong.print("personal data: hits that are none")
	if found.rate() < 0.97 || wrong.rate() > 0.005 {
		t.Errorf("personal data: %.3f found, %.3f of the hits are none", found.rate(), wrong.rate())
	}
	if n := found["phone"]; 10*n[0] < 9*n[1] {
		t.Errorf("telephone numbers: %d of %d", n[0], n[1])
	}
}

// TestHeldOnChat prints how much of a chat's deltas a stream holds back: in bytes, and how many
// deltas wait for the next one.
func TestHeldOnChat(t *testing.T) {
	s := mustCompile(t, string(builtin(t, "secrets.rules", "answer.rules", "pii.rules", "output.rules")))
	deltas, held, waiting := 0, 0, 0
	for _, r := range corpus(t, "benign.jsonl") {
		st := s.NewStream()
		for _, d := range tokens(r.Text) {
			if _, err := st.Write(nil, []byte(d)); err != nil {
				t.Fatal(err)
			}
			deltas++
			held += st.Held()
			if st.Held() > 0 {
				waiting++
			}
		}
	}
	fmt.Printf("stream: %d deltas, %.2f bytes held on average, %.1f %% of the deltas hold any\n",
		deltas, float64(held)/float64(deltas), 100*float64(waiting)/float64(deltas))
	if float64(held)/float64(deltas) > 2 {
		t.Error("a stream holds back too much")
	}
}

// tokens cuts a text as models do: a space goes with the word after it.
func tokens(text string) (out []string) {
	from := 0
	for i := 1; i < len(text); i++ {
		if text[i] == ' ' || !isWord(text[i]) && text[i] < 0x80 && isWord(text[i-1]) || i-from >= 8 && text[i] < 0x80 {
			out = append(out, text[from:i])
			from = i
		}
	}
	return append(out, text[from:])
}
