package directory

import (
	"fmt"
	"strings"
)

// bankCode is no bank's: none has a code that begins with 9.
const bankCode = "99900001"

// iban is the German IBAN of an account of the bank that does not exist, with correct check digits (ISO 13616, mod 97-10).
func iban(account uint64) string {
	basic := fmt.Sprintf("%s%010d", bankCode, account%1e10)
	return fmt.Sprintf("DE%02d%s", 98-mod97(basic+"131400"), basic) // 13 and 14 stand for D and E
}

// ValidIBAN tells whether the check digits of an IBAN are right.
func ValidIBAN(text string) bool {
	if len(text) < 5 {
		return false
	}
	var digits strings.Builder
	for _, c := range text[4:] + text[:4] {
		switch {
		case c >= '0' && c <= '9':
			digits.WriteRune(c)
		case c >= 'A' && c <= 'Z':
			fmt.Fprintf(&digits, "%d", c-'A'+10)
		default:
			return false
		}
	}
	return mod97(digits.String()) == 1
}

func mod97(digits string) int {
	rest := 0
	for _, c := range digits {
		rest = (rest*10 + int(c-'0')) % 97
	}
	return rest
}
