package german

import (
	"strings"
)

const (
	// minPhone and maxPhone are the digits of a telephone number with its country code.
	minPhone, maxPhone = 9, 15
	// minMeter is the shortest meter number that says anything.
	minMeter = 5
)

// Email is an e-mail address in small letters, taken out of "Name <address>" or "mailto:address" if it stands there; empty if there is none.
func Email(s string) string {
	s = strings.ToLower(strings.TrimSpace(clip(s)))
	if open := strings.LastIndexByte(s, '<'); open >= 0 {
		s = strings.TrimSpace(strings.TrimSuffix(s[open+1:], ">"))
	}
	s = strings.TrimPrefix(s, "mailto:")
	local, domain, ok := strings.Cut(s, "@")
	dot := strings.LastIndexByte(domain, '.')
	if !ok || local == "" || dot < 1 || dot == len(domain)-1 || strings.ContainsAny(s, " \t\r\n,;\"") || strings.Contains(domain, "@") {
		return ""
	}
	// Two names of one mail service.
	if domain == "googlemail.com" {
		domain = "gmail.com"
	}
	return local + "@" + domain
}

// Phone is a telephone number as digits with the country code in front, without "+": 49 is taken for granted. Empty if there are too few or
// too many digits for a number that can be called from outside.
func Phone(s string) string {
	s = strings.TrimSpace(clip(s))
	// The zero that is dialled at home only, "+49 (0) 30".
	abroad := strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "(0)", "")
	international := strings.HasPrefix(strings.TrimLeftFunc(abroad, func(r rune) bool { return r != '+' && (r < '0' || r > '9') }), "+")
	if international {
		s = abroad
	}
	digits := only(s, func(c byte) bool { return c >= '0' && c <= '9' })
	switch {
	case international:
	case strings.HasPrefix(digits, "00"):
		digits = digits[2:]
		if strings.HasPrefix(digits, "490") {
			digits = "49" + digits[3:]
		}
	case strings.HasPrefix(digits, "0"):
		digits = "49" + digits[1:]
	case strings.HasPrefix(digits, "49") && len(digits) > 10:
	default:
		return "" // A number without its area code.
	}
	if international && strings.HasPrefix(digits, "490") {
		digits = "49" + digits[3:]
	}
	if len(digits) < minPhone || len(digits) > maxPhone {
		return ""
	}
	return digits
}

// Phones are the numbers that a text holds, separated by semicolons, commas or line ends.
func Phones(s string) []string {
	var all []string
	for part := range strings.FieldsFuncSeq(clip(s), func(r rune) bool { return r == ';' || r == ',' || r == '\n' }) {
		if p := Phone(part); p != "" {
			all = append(all, p)
		}
	}
	return all
}

// Meter is a meter number without blanks, hyphens and zeros in front: "1 EMH00 1234-5678" is "1emh0012345678". Empty if it is too short, or has
// hardly a digit, to name a meter.
func Meter(s string) string {
	m := strings.TrimLeft(Joined(s), "0")
	digits := only(m, func(c byte) bool { return c >= '0' && c <= '9' })
	if len(m) < minMeter || len(digits) < minMeter-1 {
		return ""
	}
	return m
}

// only are the bytes of s that are wanted.
func only(s string, wanted func(c byte) bool) string {
	var b strings.Builder
	for i := range len(s) {
		if wanted(s[i]) {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
