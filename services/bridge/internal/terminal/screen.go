// Package terminal writes for people: plain lines into a file or pipe, and on a terminal also colours and a line at the
// bottom that is redrawn.
//
// # Concurrency
//
// A Screen is safe for concurrent use: what several goroutines write does not mix within a line.
package terminal

import (
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/sethvargo/go-envconfig"
)

// Control sequences of terminals (ECMA-48, and DEC's autowrap mode).
const (
	eraseLine = "\r\x1b[2K"
	wrapOff   = "\x1b[?7l"
	wrapOn    = "\x1b[?7h"
	reset     = "\x1b[0m"
	bold      = "\x1b[1m"
	dim       = "\x1b[2m"
	red       = "\x1b[31m"
	green     = "\x1b[32m"
)

// Screen is where a command shows what it does. Errors of writing are dropped: there is nobody left to read about them.
type Screen struct {
	live   bool
	colour bool

	mu     sync.Mutex
	out    io.Writer
	status string
}

// New makes a screen. It draws only if out is a terminal, and colours only if NO_COLOR is not set as well
// (https://no-color.org).
func New(out io.Writer, env envconfig.Lookuper) *Screen {
	s := &Screen{out: out}
	if kind, _ := env.Lookup("TERM"); isTerminal(out) && kind != "dumb" {
		noColour, _ := env.Lookup("NO_COLOR")
		s.live, s.colour = true, noColour == ""
	}
	return s
}

func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Live tells whether the screen can redraw; if not, progress is better told in lines, and seldom.
func (s *Screen) Live() bool { return s.live }

// Printf writes text, which ends with a newline, above the status line.
func (s *Screen) Printf(format string, args ...any) { _, _ = fmt.Fprintf(s, format, args...) }

// Write implements io.Writer for whole lines, so that a log can share the screen.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	n, err := s.out.Write(p)
	s.draw()
	return n, err //nolint:wrapcheck // A writer like any other.
}

// Status replaces the line at the bottom; an empty text removes it. Without a terminal it does nothing.
func (s *Screen) Status(text string) {
	if !s.live {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.erase()
	s.status = text
	s.draw()
}

func (s *Screen) erase() {
	if s.status != "" {
		_, _ = io.WriteString(s.out, eraseLine)
	}
}

// draw keeps the line from wrapping: of a wrapped line, only the last part could be erased.
func (s *Screen) draw() {
	if s.status != "" {
		_, _ = io.WriteString(s.out, wrapOff+s.status+wrapOn)
	}
}

// Bold is for headings.
func (s *Screen) Bold(text string) string { return s.paint(bold, text) }

// Dim is for what is said by the way.
func (s *Screen) Dim(text string) string { return s.paint(dim, text) }

// Good is for what is as it should be.
func (s *Screen) Good(text string) string { return s.paint(green, text) }

// Bad is for what is not.
func (s *Screen) Bad(text string) string { return s.paint(red, text) }

func (s *Screen) paint(colour, text string) string {
	if !s.colour {
		return text
	}
	return colour + text + reset
}
