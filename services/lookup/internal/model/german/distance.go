package german

// Distance is the number of typing errors between two words: a character too many, too few, wrong, or swapped with its neighbour
// (optimal string alignment). It is limit+1 if there are more than limit.
func Distance(a, b string, limit int) int {
	if a == b {
		return 0
	}
	s, t := []rune(a), []rune(b)
	if len(s) > len(t) {
		s, t = t, s
	}
	if len(t)-len(s) > limit {
		return limit + 1
	}
	// Three rows of the table: the one before the previous, the previous, and the current one.
	older, previous, current := make([]int, len(s)+1), make([]int, len(s)+1), make([]int, len(s)+1)
	for i := range previous {
		previous[i] = i
	}
	for j := 1; j <= len(t); j++ {
		current[0] = j
		least := j
		for i := 1; i <= len(s); i++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			d := min(previous[i]+1, current[i-1]+1, previous[i-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				d = min(d, older[i-2]+1)
			}
			current[i] = d
			least = min(least, d)
		}
		if least > limit {
			return limit + 1
		}
		older, previous, current = previous, current, older
	}
	return min(previous[len(s)], limit+1)
}

// Tolerance is how many typing errors a word may have and still be taken for another: none in short ones, where an error makes another
// word, and two in long ones.
func Tolerance(word string) int {
	switch n := len(word); {
	case n < 4:
		return 0
	case n < 8:
		return 1
	default:
		return 2
	}
}

// Errors is how many typing errors lie between two folded words, whether umlauts are written out or left out; false if there are more than
// the shorter one tolerates.
func Errors(a, b string) (int, bool) {
	a, b = Skeleton(a), Skeleton(b)
	limit := min(Tolerance(a), Tolerance(b))
	d := Distance(a, b, limit)
	return d, d <= limit
}
