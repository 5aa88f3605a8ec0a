package german

import "strings"

// Cologne is the code of a folded word by the Kölner Phonetik (Postel, 1969): words that sound alike in German have the same code,
// so "maier", "meyer" and "mayr" do. Words without any Latin letter have none.
func Cologne(word string) string {
	var b strings.Builder
	last := byte(0)
	for i := range len(word) {
		for _, code := range []byte(cologne(word, i)) {
			// The same code twice in a row counts once, and vowels count at the start only.
			if code != last && (code != '0' || b.Len() == 0) {
				b.WriteByte(code)
			}
			last = code
		}
	}
	return b.String()
}

// cologne is the code of one letter among its neighbours.
func cologne(word string, i int) string {
	var before, after byte
	if i > 0 {
		before = word[i-1]
	}
	if i+1 < len(word) {
		after = word[i+1]
	}
	among := func(c byte, set string) bool { return c != 0 && strings.IndexByte(set, c) >= 0 }
	switch c := word[i]; {
	case among(c, "aeijouy"):
		return "0"
	case c == 'p' && after == 'h', among(c, "fvw"):
		return "3"
	case among(c, "bp"):
		return "1"
	case among(c, "dt"):
		if among(after, "csz") {
			return "8"
		}
		return "2"
	case among(c, "gkq"):
		return "4"
	case c == 'c':
		hard := among(after, "ahkoqux")
		if i == 0 {
			hard = hard || among(after, "lr")
		} else {
			hard = hard && !among(before, "sz")
		}
		if hard {
			return "4"
		}
		return "8"
	case c == 'x':
		if among(before, "ckq") {
			return "8"
		}
		return "48"
	case c == 'l':
		return "5"
	case among(c, "mn"):
		return "6"
	case c == 'r':
		return "7"
	case among(c, "sz"):
		return "8"
	default:
		return ""
	}
}
