package terminal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyYesConfirms(t *testing.T) {
	t.Parallel()
	for want, answers := range map[bool][]string{
		true:  {"y\n", "yes\n", " YES \r\n"},
		false: {"n\n", "\n", "yesterday\n", "no\ny\n"},
	} {
		for _, answer := range answers {
			var out strings.Builder
			got, err := ask(strings.NewReader(answer), &out, "Sure?")
			if err != nil || got != want || out.String() != "Sure? [y/N] " {
				t.Errorf("answer %q: %t, %v after %q; want %t after the question", answer, got, err, out.String(), want)
			}
		}
	}
}

func TestInputThatEndsWithoutAnAnswerIsNobody(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"", "y", "yes", strings.Repeat("y", answerLimit) + "\n"} {
		if got, err := ask(strings.NewReader(answer), &strings.Builder{}, "Sure?"); got || !errors.Is(err, ErrNobody) {
			t.Errorf("answer %.10q: %t, %v; want no and ErrNobody", answer, got, err)
		}
	}
}

func TestNobodyIsAskedWithoutATerminal(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "answers")
	if err := os.WriteFile(path, []byte("y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var out strings.Builder
	if got, err := Ask(file, &out, "Sure?"); got || !errors.Is(err, ErrNobody) || out.String() != "" {
		t.Errorf("a file as input: %t, %v after %q; want no, ErrNobody and no question", got, err, out.String())
	}
	if got, err := Ask(strings.NewReader("y\n"), &out, "Sure?"); got || !errors.Is(err, ErrNobody) {
		t.Errorf("a pipe as input: %t, %v; want no and ErrNobody", got, err)
	}
}
