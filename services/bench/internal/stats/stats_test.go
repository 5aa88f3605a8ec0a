package stats

import (
	"slices"
	"testing"
)

func TestMedianIsTheMiddle(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		figures []float64
		want    float64
	}{
		{"none", nil, 0},
		{"one", []float64{7}, 7},
		{"odd", []float64{9, 1, 5}, 5},
		{"even", []float64{4, 1, 3, 2}, 2.5},
	} {
		before := slices.Clone(test.figures)
		if got := Median(test.figures); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
		if !slices.Equal(before, test.figures) {
			t.Errorf("%s: the figures were changed to %v", test.name, test.figures)
		}
	}
}

func TestQuantileIsAFigureThatWasMeasured(t *testing.T) {
	t.Parallel()
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = int64(100 - i)
	}
	for _, test := range []struct {
		name    string
		figures []int64
		q       float64
		want    int64
	}{
		{"none", nil, 0.5, 0},
		{"half of a hundred", hundred, 0.5, 50},
		{"99 of a hundred", hundred, 0.99, 99},
		{"all", hundred, 1, 100},
		{"nothing of a hundred", hundred, 0, 1},
		{"99 of few", []int64{3, 1, 2}, 0.99, 3},
	} {
		if got := Quantile(test.figures, test.q); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestSpreadIsHalfTheDistanceOverTheMedian(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		figures []float64
		want    float64
	}{
		{"none", nil, 0},
		{"one", []float64{5}, 0},
		{"three", []float64{90, 100, 120}, 0.15},
		{"zeros", []float64{0, 0}, 0},
	} {
		if got := Spread(test.figures); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
