package scan

// luhn accepts a payment card's number (ISO/IEC 7812-1): 12 to 19 digits of a known issuer, not all
// the same, whose checksum is right.
func luhn(m []byte) bool {
	var buf [20]byte
	d := buf[:0]
	same := true
	for _, c := range m {
		if c-'0' >= 10 {
			continue
		}
		if len(d) == 19 {
			return false
		}
		d = append(d, c-'0')
		same = same && c-'0' == d[0]
	}
	if len(d) < 12 || same || !issuer(d) {
		return false
	}
	sum := 0
	for i := range d {
		x := int(d[len(d)-1-i])
		if i%2 == 1 {
			x = x/5 + x*2%10
		}
		sum += x
	}
	return sum%10 == 0
}

// issuer knows the first digits and the lengths of the card networks.
func issuer(d []byte) bool {
	p := int(d[0])*1000 + int(d[1])*100 + int(d[2])*10 + int(d[3])
	switch n := len(d); {
	case d[0] == 4:
		return n == 13 || n == 16 || n == 19
	case p/100 == 34 || p/100 == 37:
		return n == 15
	case p/100 == 30 || p/100 == 36 || p/100 == 38 || p/100 == 39:
		return n >= 14
	case p/100 == 35:
		return n >= 16
	case p >= 2221 && p <= 2720:
		return n == 16
	case p == 1800 || p == 2131:
		return n == 15
	case d[0] == 5 || d[0] == 6:
		return n == 12 || n >= 15
	}
	return false
}

// countries lists, per length, those whose IBAN has it (ISO 13616, SWIFT registry).
var countries = map[int]string{
	15: "NO", 16: "BE", 18: "DK FI FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH CR HR LI LV",
	22: "BG BH DE GB GE IE ME RS", 23: "AE GI IL IQ OM TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
	25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
	29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
}

var ibanLen = func() map[[2]byte]int {
	m := map[[2]byte]int{}
	for n, codes := range countries {
		for i := 0; i < len(codes); i += 3 {
			m[[2]byte{codes[i], codes[i+1]}] = n
		}
	}
	return m
}()

// iban accepts an IBAN of its country's length whose remainder modulo 97 is 1; spaces and dashes do
// not count, and what a greedy pattern took beyond the length does not either.
func iban(m []byte) bool {
	var buf [40]byte
	b := buf[:0]
	for _, c := range m {
		if c == ' ' || c == '-' || len(b) == cap(b) {
			continue
		}
		if c-'a' < 26 {
			c &^= 0x20
		}
		b = append(b, c)
	}
	if len(b) < 4 {
		return false
	}
	n := ibanLen[[2]byte(b[:2])]
	if n == 0 || len(b) < n {
		return false
	}
	r := 0
	for i := range n {
		switch c := b[(i+4)%n]; {
		case c-'0' < 10:
			r = (r*10 + int(c-'0')) % 97
		case c-'A' < 26:
			r = (r*100 + int(c-'A') + 10) % 97
		default:
			return false
		}
	}
	return r == 1
}
