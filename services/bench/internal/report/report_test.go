package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sample() *Table {
	t := &Table{Title: "Arm", Header: []string{"who", "events/s"}, Notes: []string{"Three rounds."}}
	t.Row("ours", "60,000")
	t.Row("a|b größer", "1")
	return t
}

func TestTextAlignsItsColumns(t *testing.T) {
	t.Parallel()
	want := "Arm\n" +
		"who         events/s\n" +
		"────────────────────\n" +
		"ours          60,000\n" +
		"a|b größer         1\n" +
		"  Three rounds.\n"
	if diff := cmp.Diff(want, sample().Text()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestMarkdownEscapesItsCells(t *testing.T) {
	t.Parallel()
	want := "**Arm**\n\n" +
		"| who | events/s |\n" +
		"| --- | ---: |\n" +
		"| ours | 60,000 |\n" +
		"| a\\|b größer | 1 |\n" +
		"\nThree rounds.\n"
	if diff := cmp.Diff(want, sample().Markdown()); diff != "" {
		t.Errorf("markdown (-want +got):\n%s", diff)
	}
}

func TestFiguresAreReadable(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Count(0):                              "0",
		Count(999):                            "999",
		Count(1000):                           "1,000",
		Count(1234567.4):                      "1,234,567",
		Count(-1234):                          "-1,234",
		Percent(0.954):                        "95 %",
		Times(5.125):                          "5.12×",
		Milliseconds(1250 * time.Microsecond): "1.2 ms",
		Seconds(1530 * time.Millisecond):      "1.53 s",
		MiB(3 << 19):                          "1.5 MiB",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
