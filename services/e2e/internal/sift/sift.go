// Package sift searches what tests print for personal data and secrets: for canaries, see package canary. All of it is
// searched, also what nobody sees because the tests pass.
//
// # Concurrency
//
// Sift may be called from several goroutines.
package sift

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/enneo-ai/enneo-bridge/libs/canary"
)

// event is a line of "go test -json"; see "go doc test2json".
type event struct {
	Action, Package, Test, Output string
}

// The actions that end a test or a package.
const (
	actionPass = "pass"
	actionFail = "fail"
	actionSkip = "skip"
)

// output is what a test, or a package itself, has printed.
type output struct {
	test    string
	lines   []string
	outcome string
}

// shown tells whether go test without -v prints it if its package fails: all but what passed. What has no outcome was running
// when the package came to its end.
func (o *output) shown() bool { return o.outcome != actionPass && o.outcome != actionSkip }

// run is what a package has printed so far, in the order in which its tests began to print; the package itself is the test "".
type run struct {
	order  []*output
	byTest map[string]*output
}

func (r *run) of(test string) *output {
	o := r.byTest[test]
	if o == nil {
		o = &output{test: test}
		r.byTest[test] = o
		r.order = append(r.order, o)
	}
	return o
}

// sifter turns events into text and searches it.
type sifter struct {
	out     *bufio.Writer
	errs    io.Writer
	verbose bool
	runs    map[string]*run
	found   []string
	failed  bool
}

// ErrFound says that something was found; test with errors.Is. The error names each thing and the test that printed it.
var ErrFound = errors.New("what tests print must hold neither personal data nor secrets, see package canary")

// Sift copies what "go test -json" prints from in to out, as the text that "go test" would have printed, with verbose
// "go test -v". What compilers print goes to errs. It does not care whether the tests passed: go test's exit code tells.
func Sift(in io.Reader, out, errs io.Writer, verbose bool) error {
	s := &sifter{out: bufio.NewWriter(out), errs: errs, verbose: verbose, runs: map[string]*run{}}
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		// Whoever waits for a package wants to see it at once.
		if flushed := s.out.Flush(); flushed != nil {
			return fmt.Errorf("print: %w", flushed)
		}
		if errors.Is(err, io.EOF) {
			return s.end()
		}
		if err != nil {
			return fmt.Errorf("read the output of go test: %w", err)
		}
	}
}

func (s *sifter) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil || e.Action == "" {
		s.search("go test", line)
		s.print(line)
		return
	}
	switch {
	case e.Action == "build-output":
		s.search("the build", e.Output)
		_, _ = io.WriteString(s.errs, e.Output) // Where it fails, nothing else could be told either.
		return
	case e.Package == "":
		return
	}
	r := s.runs[e.Package]
	if r == nil {
		r = &run{byTest: map[string]*output{}}
		s.runs[e.Package] = r
	}
	switch e.Action {
	case "output":
		o := r.of(e.Test)
		o.lines = append(o.lines, e.Output)
		if s.verbose {
			s.print(e.Output)
		}
	case actionPass, actionFail, actionSkip:
		r.of(e.Test).outcome = e.Action
		if e.Test == "" {
			s.finish(e.Package, r)
		}
	}
}

// finish searches and prints a package that has come to its end.
func (s *sifter) finish(name string, r *run) {
	delete(s.runs, name)
	itself := r.of("")
	passed := !itself.shown()
	s.failed = s.failed || !passed
	for _, o := range r.order {
		// As a whole: what is found may stand in several events.
		s.search(strings.TrimSpace(name+" "+o.test), strings.Join(o.lines, ""))
		switch {
		case s.verbose, o == itself, passed, !o.shown():
		default:
			s.printAll(o.lines)
		}
	}
	switch {
	case s.verbose:
	case passed:
		// Of a package that passed, go test prints its verdict alone.
		s.printAll(itself.lines[max(0, len(itself.lines)-1):])
	default:
		s.printAll(itself.lines)
	}
}

// end deals with packages whose end was not told, since go test has died, says what go test says last, and what was found.
func (s *sifter) end() error {
	for name, r := range s.runs {
		s.finish(name, r)
	}
	if s.failed {
		s.print("FAIL\n")
	}
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if len(s.found) == 0 {
		return nil
	}
	return fmt.Errorf("%w:\n%s", ErrFound, strings.Join(s.found, "\n"))
}

func (s *sifter) search(where, text string) {
	for _, finding := range canary.Find([]byte(text)) {
		s.found = append(s.found, fmt.Sprintf("%s printed %s", where, finding))
	}
}

// printAll prints what a test has printed, without the lines in which go test -v says which test goes on.
func (s *sifter) printAll(lines []string) {
	for _, line := range lines {
		if !strings.HasPrefix(line, "=== ") {
			s.print(line)
		}
	}
}

func (s *sifter) print(text string) {
	_, _ = s.out.WriteString(text) // It fails at the next Flush.
}
