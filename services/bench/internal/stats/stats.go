// Package stats condenses measured figures.
//
// # Concurrency
//
// All functions are pure; they leave their arguments as they are.
package stats

import (
	"cmp"
	"math"
	"slices"
)

// Number is what can be condensed.
type Number interface{ ~int64 | ~float64 }

// Median is the middle figure, or the mean of the two middle ones; 0 without any.
func Median[T Number](figures []T) T {
	if len(figures) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(figures))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// Quantile is the smallest figure that at least the share q of all figures does not exceed; q is between 0 and 1. It is 0
// without any figure.
func Quantile[T Number](figures []T, q float64) T {
	if len(figures) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(figures))
	rank := int(math.Ceil(q * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Spread is half the distance between the largest and the smallest figure, as a share of the median: 0.1 reads ±10 %.
// It is 0 where there is no median to compare with.
func Spread[T Number](figures []T) float64 {
	median := Median(figures)
	if cmp.Compare(median, 0) == 0 {
		return 0
	}
	return float64(slices.Max(figures)-slices.Min(figures)) / 2 / float64(median)
}
