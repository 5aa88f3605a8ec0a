package table_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/enneo-ai/enneo-bridge/services/bridge/internal/table"
)

func TestColumnsAreAlignedByCharactersNotBytes(t *testing.T) {
	t.Parallel()
	tab := table.Table{Header: []string{"", "keys", "ERP\nreads"}}
	tab.Row("Verträge", "200", "1,000")
	tab.Row("Ü", "–", "1")
	tab.Rule()
	tab.Row("sum", "201")
	want := `` +
		"                  ERP\n" +
		"          keys  reads\n" +
		"─────────────────────\n" +
		"Verträge   200  1,000\n" +
		"Ü            –      1\n" +
		"─────────────────────\n" +
		"sum        201\n"
	if diff := cmp.Diff(want, tab.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestTableWithoutHeadingsHasNoRuleAbove(t *testing.T) {
	t.Parallel()
	var tab table.Table
	tab.Row("a", "1")
	tab.Row("bb", "22")
	if got, want := tab.String(), "a    1\nbb  22\n"; got != want {
		t.Errorf("table = %q, want %q", got, want)
	}
}

func TestEmptyTableIsEmpty(t *testing.T) {
	t.Parallel()
	if got := new(table.Table).String(); got != "" {
		t.Errorf("table = %q, want nothing", got)
	}
}
