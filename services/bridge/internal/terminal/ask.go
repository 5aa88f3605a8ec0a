package terminal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// ErrNobody is the error of Ask when there is nobody to be asked; test with errors.Is.
var ErrNobody = errors.New("there is no terminal to ask for confirmation")

// answerLimit is the longest answer that is read.
const answerLimit = 1000

// Ask writes a question and reads the answer of a person; only "y" and "yes" confirm. An input that is no terminal, or ends
// without an answer, is nobody.
func Ask(in io.Reader, out io.Writer, question string) (bool, error) {
	file, ok := in.(*os.File)
	if !ok || !isTerminal(file) {
		return false, ErrNobody
	}
	return ask(in, out, question)
}

func ask(in io.Reader, out io.Writer, question string) (bool, error) {
	if _, err := fmt.Fprintf(out, "%s [y/N] ", question); err != nil {
		return false, fmt.Errorf("ask: %w", err)
	}
	answer, err := bufio.NewReader(io.LimitReader(in, answerLimit)).ReadString('\n')
	if err != nil {
		// What was typed before the input ended is no decision.
		_, _ = fmt.Fprintln(out)
		return false, ErrNobody
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true, nil
	default:
		return false, nil
	}
}
