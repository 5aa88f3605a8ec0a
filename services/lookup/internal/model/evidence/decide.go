package evidence

import (
	"maps"
	"slices"
)

// Decide returns the verdict of the one contract that is meant; nil if there is none, or if several are. cut names the rules of which
// not all candidates are among the verdicts: what is not known about the others is held against everyone.
func Decide(verdicts []*Verdict, cut map[string]bool) *Verdict {
	verdicts = slices.DeleteFunc(slices.Clone(verdicts), func(v *Verdict) bool { return v.By == "" })
	for _, v := range verdicts {
		if !slices.ContainsFunc(verdicts, func(other *Verdict) bool { return other != v && !v.beats(other) }) {
			if !v.stands(cut) {
				return nil
			}
			return v
		}
	}
	return nil
}

// beats tells whether v is as good as the other one in everything, and better in something.
func (v *Verdict) beats(other *Verdict) bool {
	more := false
	for i, g := range v.grades {
		if g < other.grades[i] {
			return false
		}
		more = more || g > other.grades[i]
	}
	return more
}

// stands tells whether nobody who was not looked at can be as good: v agrees in each attribute of which not all were looked at, and was named
// by another one.
func (v *Verdict) stands(cut map[string]bool) bool {
	if cut[v.By] {
		return false
	}
	if v.By == ByContractID {
		return true // Every other contract has another id, which rules it out.
	}
	for by := range cut {
		if v.Grade(by) != Same {
			return false
		}
	}
	return true
}

func sortedNames(custom map[string]string) []string { return slices.Sorted(maps.Keys(custom)) }
