// Package table aligns columns of text for people.
//
// # Concurrency
//
// A Table belongs to one goroutine.
package table

import (
	"strings"
	"unicode/utf8"
)

// gap stands between two columns.
const gap = "  "

// Table is text in columns: the first one flush left, the others flush right.
type Table struct {
	// Header holds the headings; "\n" breaks one into several lines. Nil means none.
	Header []string
	rows   [][]string
}

// Row adds a row. Missing cells at its end are empty.
func (t *Table) Row(cells ...string) { t.rows = append(t.rows, cells) }

// Rule adds a line across the table.
func (t *Table) Rule() { t.rows = append(t.rows, nil) }

// String is the table with a newline after each line, and no blanks at the ends of lines.
func (t *Table) String() string {
	header := t.headerLines()
	widths := widths(append(header, t.rows...))
	var b strings.Builder
	for _, line := range header {
		write(&b, line, widths)
	}
	if len(header) > 0 {
		rule(&b, widths)
	}
	for _, row := range t.rows {
		if row == nil {
			rule(&b, widths)
			continue
		}
		write(&b, row, widths)
	}
	return b.String()
}

// headerLines makes lines of the headings, which stand on the rule below them.
func (t *Table) headerLines() [][]string {
	height := 0
	for _, heading := range t.Header {
		height = max(height, strings.Count(heading, "\n")+1)
	}
	lines := make([][]string, height)
	for i := range lines {
		lines[i] = make([]string, len(t.Header))
	}
	for column, heading := range t.Header {
		parts := strings.Split(heading, "\n")
		for i, part := range parts {
			lines[height-len(parts)+i][column] = part
		}
	}
	return lines
}

func widths(rows [][]string) []int {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	return widths
}

func write(b *strings.Builder, row []string, widths []int) {
	var line strings.Builder
	for i, cell := range row {
		padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i == 0 {
			line.WriteString(cell + padding)
		} else {
			line.WriteString(gap + padding + cell)
		}
	}
	b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

func rule(b *strings.Builder, widths []int) {
	total := 0
	for i, w := range widths {
		if i > 0 {
			total += len(gap)
		}
		total += w
	}
	b.WriteString(strings.Repeat("─", total) + "\n")
}
