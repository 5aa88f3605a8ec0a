package source_test

import (
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/source"
)

func TestAnIDOfEnneoLeadsBackToItsOwn(t *testing.T) {
	t.Parallel()
	for _, template := range []string{"{id}", "A-{id}", "{id}-b", "A-{id}-b", "ü{id}"} {
		s := source.Source{EnneoID: template}
		for _, id := range []string{"1", "A-1-b", "{id}", ".", "ü", "A-", strings.Repeat("x", key.MaxIDLength)} {
			if got, ok := s.IDFromEnneo(s.EnneoIDFor(id)); !ok || got != id {
				t.Errorf("template %s: %q leads back to %q, %t", template, id, got, ok)
			}
		}
	}
}

func TestAForeignIDOfEnneoLeadsNowhere(t *testing.T) {
	t.Parallel()
	for template, foreign := range map[string][]string{
		"{id}":     {"", strings.Repeat("x", key.MaxIDLength+1), "\xff"},
		"A-{id}":   {"", "A", "A-", "B-1", "a-1"},
		"A-{id}-b": {"A-b", "A-1", "1-b", "A--b"},
	} {
		s := source.Source{EnneoID: template}
		for _, id := range foreign {
			if got, ok := s.IDFromEnneo(id); ok {
				t.Errorf("template %s: %q leads to %q", template, id, got)
			}
		}
	}
}
