package filtertest

import "strings"

// maxDiff bounds the lines that are compared line by line; longer texts are shown one after the
// other.
const maxDiff = 2000

// lineDiff shows two texts as one: lines that only want has begin with "-", those of got with "+".
// It keeps a longest common subsequence.
func lineDiff(want, got string) string {
	a, b := split(want), split(got)
	var out strings.Builder
	put := func(mark string, lines []string) {
		for _, l := range lines {
			out.WriteString(mark + " " + l + "\n")
		}
	}
	if len(a) > maxDiff || len(b) > maxDiff {
		put("-", a)
		put("+", b)
		return out.String()
	}
	common := make([][]int16, len(a)+1) // of the texts from i and j on
	for i := range common {
		common[i] = make([]int16, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			put(" ", a[i:i+1])
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			put("-", a[i:i+1])
			i++
		default:
			put("+", b[j:j+1])
			j++
		}
	}
	put("-", a[i:])
	put("+", b[j:])
	return out.String()
}

func split(s string) []string {
	s = strings.TrimRight(s, blank)
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}
