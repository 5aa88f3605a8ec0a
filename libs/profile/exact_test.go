package profile_test

import (
	"strings"
	"testing"

	"github.com/enneo-ai/enneo-bridge/libs/enneo"
	"github.com/enneo-ai/enneo-bridge/libs/profile"
)

// TestNumbersArePassedOnAsTheERPWroteThem covers every way in which a mapping passes a number on, and the ways in which it
// computes with one.
func TestNumbersArePassedOnAsTheERPWroteThem(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ expression, data, want string }{
		{`data.d`, `12.10`, `12.10`},
		{`data.?d`, `12.10`, `12.10`},
		{`data["d"]`, `12.10`, `12.10`},
		{`data[?"d"]`, `12.10`, `12.10`},
		{`number(data.?d)`, `12.10`, `12.10`},
		{`number(data.?d)`, `" 12.10 "`, `12.10`},
		{`number(data.?d)`, `"0.1234567890123456789"`, `0.1234567890123456789`},
		{`number(data.d)`, `12345678901234567.89`, `12345678901234567.89`},
		{`data.d`, `123456789012345678901234567890`, `123456789012345678901234567890`},
		{`data.d`, `9007199254740993`, `9007199254740993`},
		{`data.d`, `1e400`, `1e400`},
		{`data.d`, `-0`, `-0`},
		{`data.d`, `1E2`, `1E2`},
		{`data.d`, `{"a":[12.10,{"b":1.50}]}`, `{"a":[12.10,{"b":1.50}]}`},
		{`first([data.?none, data.?d])`, `12.10`, `12.10`},
		{`data.?none.or(data.?d)`, `12.10`, `12.10`},
		{`data.?d.orValue(0)`, `12.10`, `12.10`},
		{`[data.d, {"a": data.d}]`, `12.10`, `[12.10,{"a":12.10}]`},
		{`data.d > 12.0 ? data.d : null`, `12.10`, `12.10`},
		{`text(data.d) == "12.10" ? number(data.d) : null`, `12.10`, `12.10`},
		{`lookup({"12.10": data.d}, data.d)`, `12.10`, `12.10`},
		{`text(data.d)`, `12.10`, `"12.10"`},
		{`text(data.d)`, `12345678901234567.89`, `"12345678901234567.89"`},
		{`text(data.d)`, `123.0`, `"123"`},
		{`text(data.d)`, `123.45e1`, `"1234.5"`},
		{`text(data.d)`, `1.5E-3`, `"0.0015"`},
		{`text(data.d)`, `1e999999999999`, `"1e999999999999"`},
		{`text(data.d) + " EUR"`, `12.10`, `"12.10 EUR"`},
		{`join_nonempty([data.d, "EUR"], " ")`, `12.10`, `"12.10 EUR"`},
		{`texts(data.d)`, `[12.10, 12345678901234567890123]`, `["12.10","12345678901234567890123"]`},
		// What computes has doubles, on either side of an operator.
		{`data.d * 2.0`, `12.10`, `24.2`},
		{`2.0 * data.d`, `12.10`, `24.2`},
		{`2.0 * number(data.d)`, `"12.10"`, `24.2`},
		{`12.1 == data.d && data.d == 12.1`, `12.10`, `true`},
		{`data.d in [12.1]`, `12.10`, `true`},
		{`data.d.map(x, x * 2.0)`, `[12.10]`, `[24.2]`},
		{`data.d.map(x, text(x))`, `[12345678901234567890123]`, `["12345678901234567890123"]`},
		{`data.d.map(data, text(data))`, `["a"]`, `["a"]`},
		{`has(data.d) ? data.d : null`, `12.10`, `12.10`},
		{`unix(data.d)`, `12.10`, `error`},
		{`boolean(data.d)`, `1.0`, `error`},
	} {
		t.Run(tc.expression+" of "+tc.data, func(t *testing.T) {
			t.Parallel()
			value, err := evaluate(t, tc.expression, tc.data)
			got := "error"
			if err == nil {
				if got, err = enneo.Canonical(map[string]any{"x": value}); err != nil {
					t.Fatal(err)
				}
				got = strings.TrimSuffix(strings.TrimPrefix(got, `{"x":`), `}`)
			}
			if got != tc.want {
				t.Errorf("got %s (%v), want %s", got, err, tc.want)
			}
		})
	}
}

func TestExpensiveExpressionsAreRefusedWhenTheProfileIsLoaded(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		`data.d.map(a, data.d.map(b, data.d.map(c, c)))`,
		`"a".replace("a", data.d).replace("a", data.d).replace("a", data.d).replace("a", data.d)`,
		`data.d.exists(a, data.e.exists(b, data.f.exists(c, a == b && b == c)))`,
	} {
		_, err := profile.Parse("p.yaml", []byte(minimal("x: '"+expression+"'")))
		if err == nil || !strings.Contains(err.Error(), "p.yaml:23: mapping.contract.x: would cost up to ") {
			t.Errorf("%s = %v, want file, line, field and the cost", expression, err)
		}
	}
}

func TestUsualExpressionsAreAffordable(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		`data["v"].map(c, text(c.x))`,
		`text(data[?"a"][?"b"])`,
		`data.a.map(x, x.b.map(y, text(y.?c)))`,
		`data.a.filter(x, x.b.exists(y, y.c == "z")).map(x, text(x.id))`,
		`text(data.?a) == null ? null : number(text(data.?a).replace(".", "").replace(",", "."))`,
		`data.a.split(",").map(x, text(x))`,
	} {
		if _, err := profile.Parse("p.yaml", []byte(minimal("x: '"+expression+"'"))); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

func TestExpensiveAnswersEndTheEvaluation(t *testing.T) {
	t.Parallel()
	long := "[" + strings.Repeat("1,", 50_000) + "1]"
	for _, expression := range []string{
		`data.d.map(a, data.d.map(b, b))`,
		`data.d.map(a, texts(data.d))`,
		`data.d.map(a, first(data.d.map(b, null)))`,
		`data.d.map(a, join_nonempty(data.d, ","))`,
	} {
		t.Run(expression, func(t *testing.T) {
			t.Parallel()
			if _, err := evaluate(t, expression, long); err == nil || !strings.Contains(err.Error(), "exceeds the cost limit on this answer") {
				t.Errorf("got %v, want that it exceeds the cost limit", err)
			}
		})
	}
}
