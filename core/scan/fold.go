package scan

import (
	"slices"
	"unicode/utf8"
)

// What the table of folded code points says besides an ASCII character.
const (
	foldKeep = 0 // it stays
	foldDrop = 1 // it is not seen, so it parts no word
)

// foldsBelow is where the table of folded code points ends; what lies above is computed.
const foldsBelow = 0x2200

// folds says what the code points below foldsBelow look like.
var folds = func() (t [foldsBelow]byte) {
	// Letters with marks, long s, ligatures by their first letter: what NFKD leaves of them.
	const (
		latin    = "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00a\x00\x00\x01\x00\x00\x00\x0023\x00\x00\x00\x00\x001o\x00\x00\x00\x00\x00AAAAAAACEEEEIIIIDNOOOOO\x00OUUUUYPsaaaaaaaceeeeiiiidnooooo\x00ouuuuypyAaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlLlLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs"
		extended = "AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMmMmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRrSsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVvWwWwWwWwWwXxXxYyZzZzZzhtwyas\x00\x00\x00\x00AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEeEeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYy"
	)
	copy(t[0xA0:], latin)
	copy(t[0x1E00:], extended)
	// Look-alikes of other scripts, and what typography makes of ASCII's marks.
	for to, from := range map[byte]string{
		'A': "ΑАᎪᴀ", 'B': "ΒВᏴʙ", 'C': "СϹᏟᴄ", 'D': "Ꭰᴅ", 'E': "ΕЕᎬᴇ", 'F': "Ϝ", 'G': "ԌᏀɢ", 'H': "ΗНᎻʜ", 'I': "ΙІӀᏆɪ", 'J': "ЈᎫᴊ",
		'K': "ΚКᏦᴋ", 'L': "Ꮮʟ", 'M': "ΜМᎷᴍ", 'N': "Νɴ", 'O': "ΟОՕᴏƠ", 'P': "ΡРᏢᴘ", 'Q': "Ԛ", 'R': "ᎡᏒʀ", 'S': "ЅՏᏚ", 'T': "ΤТᎢᴛ",
		'U': "ՍᴜƯ", 'V': "ѴᏙᴠ", 'W': "ԜᎳᴡ", 'X': "ΧХ", 'Y': "ΥҮʏ", 'Z': "ΖᏃᴢ",
		'a': "αаɑ", 'b': "Ьƅ", 'c': "сϲ", 'd': "ԁɗ", 'e': "еҽ", 'f': "ƒ", 'g': "ɡց", 'h': "һհ", 'i': "ιіɩı", 'j': "јϳ", 'k': "кκ",
		'l': "ӏ", 'm': "м", 'n': "ոռ", 'o': "οоօσơ", 'p': "ρр", 'q': "ԛզ", 'r': "г", 's': "ѕ", 't': "τт", 'u': "υսʋư", 'v': "νѵ", 'w': "ѡԝա",
		'x': "хχ", 'y': "уүγ", '\'': "‘’‛′ʼʹ", '"': "“”„‟″", '-': "‐‑‒–—―", '.': "․…", '/': "⁄", ' ': "\u00a0\u1680\u202f\u205f",
		'<': "‹", '>': "›", '0': "⁰₀", '4': "⁴₄", '5': "⁵₅", '6': "⁶₆", '7': "⁷₇", '8': "⁸₈", '9': "⁹₉", '1': "₁", '2': "₂", '3': "₃",
		'+': "⁺", '=': "⁼", '(': "⁽", ')': "⁾",
	} {
		for _, r := range from {
			t[r] = to
		}
	}
	for to, from := range map[byte]rune{
		'C': 'ℂ', 'g': 'ℊ', 'H': 'ℋ', 'h': 'ℎ', 'I': 'ℐ', 'L': 'ℒ', 'l': 'ℓ', 'N': 'ℕ', 'P': 'ℙ', 'Q': 'ℚ', 'R': 'ℛ', 'Z': 'ℤ', 'K': '\u212A', 'A': '\u212B',
		'B': 'ℬ', 'e': 'ℯ', 'E': 'ℰ', 'F': 'ℱ', 'M': 'ℳ', 'o': 'ℴ', 'i': 'ℹ', 'n': 'ⁿ',
	} {
		t[from] = to
	}
	t['ℌ'], t['ℍ'], t['ℑ'], t['ℜ'], t['ℝ'], t['ℨ'], t['ℭ'] = 'H', 'H', 'I', 'R', 'R', 'Z', 'C'
	for r := rune(0x2000); r <= 0x200A; r++ {
		t[r] = ' '
	}
	// Marks and what has no width.
	for _, s := range [][2]rune{{0x300, 0x36F}, {0x61C, 0x61C}, {0x180B, 0x180F}, {0x1AB0, 0x1AFF}, {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x202A, 0x202E}, {0x2060, 0x206F}, {0x20D0, 0x20FF}} {
		for r := s[0]; r <= s[1]; r++ {
			t[r] = foldDrop
		}
	}
	return t
}()

// foldRune returns what a code point looks like in ASCII, foldKeep or foldDrop.
func foldRune(r rune) byte {
	at := func(from rune, to string) byte { return to[int(r-from)%len(to)] }
	const (
		upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		letters = upper + "abcdefghijklmnopqrstuvwxyz"
	)
	switch {
	case r < foldsBelow:
		return folds[r]
	case r >= 0xFF01 && r <= 0xFF5E: // full width
		return byte(r - 0xFEE0)
	case r == 0x2212:
		return '-'
	case r == 0x3000:
		return ' '
	case r >= 0x249C && r <= 0x24B5: // parenthesised
		return at(0x249C, letters[26:])
	case r >= 0x24B6 && r <= 0x24E9: // circled
		return at(0x24B6, letters)
	case r >= 0x1D400 && r <= 0x1D6A3: // mathematical
		return at(0x1D400, letters)
	case r >= 0x1D7CE && r <= 0x1D7FF:
		return at(0x1D7CE, "0123456789")
	case r >= 0x1F130 && r <= 0x1F149:
		return at(0x1F130, upper)
	case r >= 0x1F150 && r <= 0x1F169:
		return at(0x1F150, upper)
	case r >= 0x1F170 && r <= 0x1F189:
		return at(0x1F170, upper)
	case r >= 0x1F1E6 && r <= 0x1F1FF:
		return at(0x1F1E6, upper)
	case r >= 0xE0020 && r <= 0xE007E: // tags say ASCII that nobody sees
		return byte(r - 0xE0000)
	case r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF, r >= 0xE0000 && r <= 0xE01EF:
		return foldDrop
	}
	return foldKeep
}

// fold appends text as it looks: in ASCII, where a code point looks like ASCII, and without what has
// no width. It reports whether that is another text. The result is never longer than the text.
func fold(dst, text []byte) (folded []byte, changed bool) {
	for i := 0; i < len(text); {
		if text[i] < utf8.RuneSelf {
			dst = append(dst, text[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		switch c := foldRune(r); c {
		case foldKeep:
			dst = append(dst, text[i:i+n]...)
		case foldDrop:
			changed = true
		default:
			dst, changed = append(dst, c), true
		}
		i += n
	}
	return dst, changed
}

// unfold moves the ordered offsets of a folded text to those of the text it was made of.
func unfold(text []byte, offsets []*int) {
	at, i := 0, 0
	for _, o := range offsets {
		for at < *o || at == *o && i < len(text) && dropped(text[i:]) {
			r, n := rune(text[i]), 1
			if r >= utf8.RuneSelf {
				r, n = utf8.DecodeRune(text[i:])
			}
			switch {
			case r < utf8.RuneSelf:
				at++
			case foldRune(r) == foldKeep:
				at += n
			case foldRune(r) != foldDrop:
				at++
			}
			i += n
		}
		*o = i
	}
}

func dropped(text []byte) bool {
	if text[0] < utf8.RuneSelf {
		return false
	}
	r, _ := utf8.DecodeRune(text)
	return foldRune(r) == foldDrop
}

// looks runs the rules that fold on the text as it looks, where that is another text than the one
// that was scanned, and appends the matches that the scan did not have.
func (s *Set) looks(w *work, dst []Match, from int, text []byte) ([]Match, error) {
	var changed bool
	if w.folded, changed = fold(w.folded[:0], text); !changed {
		return dst, nil
	}
	w.begin(len(w.folded))
	had := len(dst)
	dst, err := s.folding.advance(w, dst, w.folded, 0, true)
	if len(dst) > had {
		w.offsets = w.offsets[:0]
		for i := had; i < len(dst); i++ {
			w.offsets = append(w.offsets, &dst[i].Start, &dst[i].End)
		}
		slices.SortFunc(w.offsets, func(a, b *int) int { return *a - *b })
		unfold(text, w.offsets)
		n := had
		for _, m := range dst[had:] {
			same := func(o Match) bool { return o.Rule == m.Rule && o.Start < m.End && m.Start < o.End }
			if !slices.ContainsFunc(dst[from:had], same) {
				dst[n] = m
				n++
			}
		}
		dst = dst[:n]
	}
	return dst, err
}

// ascii reports whether a text holds nothing that folds.
func ascii(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
