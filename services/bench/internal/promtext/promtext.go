// Package promtext reads counters and gauges from Prometheus' text format, as far as our services write it.
//
// # Concurrency
//
// All functions are pure.
package promtext

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxLine bounds a line in bytes.
const maxLine = 1 << 20

// Sample is one line of /metrics.
type Sample struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// ErrFormat is the error of Parse; test with errors.Is.
var ErrFormat = errors.New("not a line of Prometheus' text format")

// Parse reads all samples and leaves out comments. It knows no timestamps: our services write none.
func Parse(r io.Reader) ([]Sample, error) {
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	var samples []Sample
	for number := 1; scanner.Scan(); number++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		sample, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		samples = append(samples, sample)
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return samples, nil
}

// Sum adds up the samples of a name that have all the labels.
func Sum(samples []Sample, name string, labels map[string]string) float64 {
	var sum float64
next:
	for _, s := range samples {
		if s.Name != name {
			continue
		}
		for label, value := range labels {
			if s.Labels[label] != value {
				continue next
			}
		}
		sum += s.Value
	}
	return sum
}

func parseLine(line string) (Sample, error) {
	end := strings.IndexAny(line, "{ \t")
	if end <= 0 {
		return Sample{}, ErrFormat
	}
	s := Sample{Name: line[:end], Labels: map[string]string{}}
	rest := line[end:]
	if rest[0] == '{' {
		var err error
		if rest, err = s.parseLabels(rest[1:]); err != nil {
			return Sample{}, err
		}
	}
	value, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
	if err != nil {
		return Sample{}, fmt.Errorf("value: %w", ErrFormat)
	}
	s.Value = value
	return s, nil
}

// parseLabels reads up to and with the closing brace and returns what follows.
func (s *Sample) parseLabels(text string) (rest string, err error) {
	for {
		text = strings.TrimLeft(text, ", ")
		if rest, ok := strings.CutPrefix(text, "}"); ok {
			return rest, nil
		}
		name, after, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return "", fmt.Errorf("label: %w", ErrFormat)
		}
		// A value is quoted with the escapes \\, \" and \n, which are Go's as well.
		quoted, err := strconv.QuotedPrefix(after)
		if err != nil || quoted[0] != '"' {
			return "", fmt.Errorf("value of a label: %w", ErrFormat)
		}
		if s.Labels[name], err = strconv.Unquote(quoted); err != nil {
			return "", fmt.Errorf("value of a label: %w", ErrFormat)
		}
		text = after[len(quoted):]
	}
}
