package logtext_test

import (
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/logtext"
)

func TestLogRecordBecomesALine(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	logger := slog.New(slog.NewJSONHandler(logtext.New(&out), nil)).With("service", "enricher")
	logger.WarnContext(t.Context(), "read will be tried again", "wait", "1s", "attempt", 2, "error", "timeout of the ERP", "empty", "")
	want := regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3} WARN  enricher: read will be tried again attempt=2 empty="" error="timeout of the ERP" wait=1s\n$`)
	if !want.MatchString(out.String()) {
		t.Errorf("line = %q, want it to match %s", out.String(), want)
	}
}

func TestOtherLinesPassAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"panic: boom\n", "{\"a\":1}\n", "null\n", ""} {
		var out strings.Builder
		n, err := io.WriteString(logtext.New(&out), line)
		if err != nil || n != len(line) || out.String() != line {
			t.Errorf("Write(%q) = %d, %v and passed %q", line, n, err, out.String())
		}
	}
}
