package main

import (
	"fmt"
	"io"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/ginnel/ginnel/sdk/llm"
	"github.com/ginnel/ginnel/sdk/sdktest/fidelity"
	"github.com/ginnel/ginnel/sdk/sdktest/recorded"
	"github.com/ginnel/ginnel/sdk/sdktest/replay"
)

// columns are the features that the table counts.
var columns = append(append([]fidelity.Feature{}, fidelity.Features...), failure)

type row struct {
	played, skipped, refused, failed, streams, formed int
	had, kept                                         map[fidelity.Feature]int
}

type table struct {
	rows   map[[2]string]*row // by provider with its dialect, and client
	misses []string
	said   []string // what was refused or skipped
	lost   int

	recordings, conversations int
}

func newTable() *table { return &table{rows: map[[2]string]*row{}} }

func (t *table) add(x *recorded.Exchange, client llm.Dialect, o outcome) {
	key := [2]string{x.Provider + " (" + string(x.Dialect()) + ")", string(client)}
	r := t.rows[key]
	if r == nil {
		r = &row{had: map[fidelity.Feature]int{}, kept: map[fidelity.Feature]int{}}
		t.rows[key] = r
	}
	about := x.Name + " as " + string(client) + ": "
	switch {
	case o.skipped != "":
		r.skipped++
		t.said = append(t.said, about+"not played: "+o.skipped)
		return
	case o.refused != "":
		r.refused++
		t.said = append(t.said, about+"refused: "+o.refused)
		return
	}
	r.played++
	if o.failed != "" {
		r.failed++
		t.misses = append(t.misses, about+o.failed)
		return
	}
	for f := range o.kept {
		r.had[f]++
		if why, lost := o.lost[f]; lost {
			t.lost++
			t.misses = append(t.misses, about+string(f)+": "+why)
		} else {
			r.kept[f]++
		}
	}
	if replay.Streamed(x) && !o.kept[failure] {
		r.streams++
		if o.grammar == "" {
			r.formed++
		} else {
			t.misses = append(t.misses, about+"grammar: "+o.grammar)
		}
	}
}

// rest lists the recordings that are no call of a model for words: their like is passed on or translated by operations of
// their own, which the codecs' tests play (TestRecordedEmbeddings, TestRecordedCounts, TestRerankInEachDialect).
func (t *table) rest(all []*recorded.Exchange, played int) {
	t.recordings, t.conversations = len(all), played
	for _, x := range all {
		if !replay.Conversation(x) {
			t.said = append(t.said, x.Name+": not played: "+x.Endpoint+" is no conversation")
		}
	}
}

// target is the share of the features, in percent, that has to be kept.
const target = 99

// write writes the table and, of all that was not kept, the reason. It returns how many features there were to keep.
func (t *table) write(out io.Writer) (kept, had int) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprint(w, "provider\tclient\tplayed\trefused\tnot played\tfailed")
	for _, f := range columns {
		fmt.Fprintf(w, "\t%s", f)
	}
	fmt.Fprintln(w, "\tgrammar")
	keys := make([][2]string, 0, len(t.rows))
	for k := range t.rows {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return strings.Join(keys[i][:], " ") < strings.Join(keys[j][:], " ") })
	sum := &row{had: map[fidelity.Feature]int{}, kept: map[fidelity.Feature]int{}}
	for _, k := range keys {
		r := t.rows[k]
		r.write(w, k)
		sum.add(r)
	}
	sum.write(w, [2]string{"all", "all"})
	w.Flush()
	kept, had = sum.formed, sum.streams
	for _, f := range columns {
		kept, had = kept+sum.kept[f], had+sum.had[f]
	}
	had += sum.failed
	fmt.Fprintf(out, "\n%d of %d recordings are conversations; the others are listed below\n", t.conversations, t.recordings)
	fmt.Fprintf(out, "kept %d of %d features, %.2f %% (target: at least %d %%); %d lost without a word (target: 0)\n", kept, had, 100*float64(kept)/float64(max(had, 1)), target, t.lost)
	for _, m := range t.misses {
		fmt.Fprintln(out, "miss:", m)
	}
	for _, s := range t.said {
		fmt.Fprintln(out, s)
	}
	return kept, had
}

func (r *row) add(o *row) {
	r.played, r.skipped, r.refused, r.failed = r.played+o.played, r.skipped+o.skipped, r.refused+o.refused, r.failed+o.failed
	r.streams, r.formed = r.streams+o.streams, r.formed+o.formed
	for f, n := range o.had {
		r.had[f] += n
		r.kept[f] += o.kept[f]
	}
}

func (r *row) write(w io.Writer, key [2]string) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d", key[0], key[1], r.played, r.refused, r.skipped, r.failed)
	for _, f := range columns {
		fmt.Fprintf(w, "\t%d/%d", r.kept[f], r.had[f])
	}
	fmt.Fprintf(w, "\t%d/%d\n", r.formed, r.streams)
}
