package mind

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	// tokenEvery is how often a token's file is read again at most; after a refusal it is read at once.
	tokenEvery = 2 * time.Second
	maxToken   = 16 << 10
)

// token is the JWT: a fixed one, or that of a file, which may be exchanged at any time (Kubernetes swaps a link). It is safe
// for concurrent use.
type token struct {
	file string

	mu     sync.Mutex
	value  string
	readAt time.Time
}

func newToken(cfg *Config) *token {
	return &token{file: cfg.TokenFile, value: cfg.Token.Reveal()}
}

// get is the token as it is now. A file that cannot be read leaves the one of before in use: it may be on its way.
func (t *token) get(now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.file != "" && now.Sub(t.readAt) >= tokenEvery {
		t.readAt = now
		if value, err := readToken(t.file); err == nil {
			t.value = value
		}
	}
	return t.value
}

// refused makes the next request read the file again.
func (t *token) refused() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readAt = time.Time{}
}

// readToken reads the file of a token. Its errors hold nothing of the content.
func readToken(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer func() { _ = file.Close() }() // Nothing was written.
	data, err := io.ReadAll(io.LimitReader(file, maxToken+1))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	value := strings.TrimSpace(string(data))
	switch {
	case len(data) > maxToken:
		return "", fmt.Errorf("%s has more than %d bytes, so it is no token", name, maxToken)
	case value == "":
		return "", fmt.Errorf("%s is empty; it has to hold the token alone", name)
	case strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "", errors.New(name + " holds more than a token; it has to hold the token alone, on one line")
	}
	return value, nil
}
