package terminal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/config"
)

func TestPipeGetsNothingButTheLines(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := New(&out, config.Map(map[string]string{"TERM": "xterm"}))
	s.Status("working")
	s.Printf("%s %s\n", s.Bold("Title"), s.Good("✓"))
	s.Status("")
	if got, want := out.String(), "Title ✓\n"; got != want {
		t.Errorf("written = %q, want %q", got, want)
	}
}

func TestFileIsNoTerminal(t *testing.T) {
	t.Parallel()
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatalf("create file: %v", err)
	}
	defer file.Close()
	if New(file, config.Map(nil)).Live() {
		t.Error("a file is taken for a terminal")
	}
}

func TestLinesGoAboveTheStatusLine(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := &Screen{out: &out, live: true}
	s.Status("1 of 2")
	s.Printf("a line\n")
	s.Status("2 of 2")
	s.Status("")
	want := wrapOff + "1 of 2" + wrapOn + eraseLine + "a line\n" + wrapOff + "1 of 2" + wrapOn +
		eraseLine + wrapOff + "2 of 2" + wrapOn + eraseLine
	if got := out.String(); got != want {
		t.Errorf("written = %q, want %q", got, want)
	}
}

func TestColoursNeedATerminalThatWantsThem(t *testing.T) {
	t.Parallel()
	if got, want := (&Screen{live: true, colour: true}).Bad("✗"), red+"✗"+reset; got != want {
		t.Errorf("with colours = %q, want %q", got, want)
	}
	if got := (&Screen{live: true}).Bad("✗"); got != "✗" {
		t.Errorf("without colours = %q, want the text alone", got)
	}
}

// The null device is a character device, as a terminal is, so it stands in for one.
func TestNoColorAndDumbTerminalsAreObeyed(t *testing.T) {
	t.Parallel()
	file, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("open null device: %v", err)
	}
	t.Cleanup(func() { _ = file.Close() })
	for name, tc := range map[string]struct {
		env          map[string]string
		live, colour bool
	}{
		"terminal":                              {map[string]string{"TERM": "xterm"}, true, true},
		"NO_COLOR":                              {map[string]string{"TERM": "xterm", "NO_COLOR": "1"}, true, false},
		"empty NO_COLOR":                        {map[string]string{"TERM": "xterm", "NO_COLOR": ""}, true, true},
		"terminal without any control sequence": {map[string]string{"TERM": "dumb"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := New(file, config.Map(tc.env))
			if s.live != tc.live || s.colour != tc.colour {
				t.Errorf("live %v, colour %v; want %v, %v", s.live, s.colour, tc.live, tc.colour)
			}
		})
	}
}
