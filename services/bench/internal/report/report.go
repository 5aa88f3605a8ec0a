// Package report writes tables of results, for a terminal or as Markdown.
//
// # Concurrency
//
// A Table belongs to one goroutine.
package report

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Table is one table of results: the first column is text, the others are figures.
type Table struct {
	Title  string
	Header []string
	// Notes stand below the table, one sentence or so each.
	Notes []string
	rows  [][]string
}

// Row adds a row with a cell for each column.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Text is the table for a terminal.
func (t *Table) Text() string {
	widths := make([]int, len(t.Header))
	for _, row := range append([][]string{t.Header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	line := func(cells []string) {
		var l strings.Builder
		for i, cell := range cells {
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				l.WriteString(cell + padding)
			} else {
				l.WriteString("  " + padding + cell)
			}
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	b.WriteString(t.Title + "\n")
	line(t.Header)
	total := 2 * (len(widths) - 1)
	for _, width := range widths {
		total += width
	}
	b.WriteString(strings.Repeat("─", total) + "\n")
	for _, row := range t.rows {
		line(row)
	}
	for _, note := range t.Notes {
		b.WriteString("  " + note + "\n")
	}
	return b.String()
}

// Markdown is the table for docs/results.md.
func (t *Table) Markdown() string {
	var b strings.Builder
	line := func(cells []string) {
		escaped := make([]string, len(cells))
		for i, cell := range cells {
			escaped[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		b.WriteString("| " + strings.Join(escaped, " | ") + " |\n")
	}
	b.WriteString("**" + t.Title + "**\n\n")
	line(t.Header)
	b.WriteString("| ---" + strings.Repeat(" | ---:", len(t.Header)-1) + " |\n")
	for _, row := range t.rows {
		line(row)
	}
	if len(t.Notes) > 0 {
		b.WriteString("\n" + strings.Join(t.Notes, "\n") + "\n")
	}
	return b.String()
}

// Count is a whole number with commas between the thousands.
func Count(n float64) string {
	digits := fmt.Sprintf("%.0f", n)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// Percent is a share, where 1 is 100 %.
func Percent(share float64) string { return fmt.Sprintf("%.0f %%", share*100) }

// Times is a ratio.
func Times(ratio float64) string { return fmt.Sprintf("%.2f×", ratio) }

// Milliseconds is a duration in milliseconds, to the tenth.
func Milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}

// Seconds is a duration in seconds, to the hundredth.
func Seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// MiB is a number of bytes in mebibytes.
func MiB(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
