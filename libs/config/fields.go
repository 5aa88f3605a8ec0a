package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/sethvargo/go-envconfig"
)

// Field describes one variable for people.
type Field struct {
	// Key is the variable's full name.
	Key string
	// Type is a word: duration, integer, number, text, secret, list, list of pairs or true-false.
	Type string
	// Default is the default as it would be written in the environment, empty without one.
	Default  string
	Required bool
	// Desc is one sentence with the unit.
	Desc string
}

// Fields describes the variables of target, a struct or a pointer to one (which may be nil), in the order of the struct.
// It is an error when a description is missing, when two fields have the same variable, or when a tag or a default cannot
// be read; the error is a join of all of them.
func Fields(target any) ([]Field, error) {
	t := reflect.TypeOf(target)
	if t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil || t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("describe %T: %w", target, errTarget)
	}
	var fields []Field
	owner := map[string]string{}
	errs, _ := walk(reflect.New(t).Elem(), nil, t.Name(), visitor{
		leaf: func(l leaf) error {
			f, err := describe(l)
			if err != nil {
				return err
			}
			if first, taken := owner[f.Key]; taken {
				return fmt.Errorf("%s: the variable %s belongs to %s already", l.path, f.Key, first)
			}
			owner[f.Key] = l.path
			fields = append(fields, f)
			return nil
		},
		closed: func(reflect.Value, []string) error { return nil },
	})
	return fields, errors.Join(errs...)
}

// describe asks the library itself about a field, by having it process the field with nothing set.
func describe(l leaf) (Field, error) {
	f := Field{Type: typeWord(l.field.Type), Desc: l.field.Tag.Get("desc")}
	asked := &lookup{env: Map(nil)}
	_, err := process(context.Background(), asked, l.field.Type, l.tags, envconfig.MutatorFunc(
		func(_ context.Context, _, _, _, value string) (string, bool, error) {
			f.Default = value
			return value, false, nil
		},
	))
	f.Key, f.Required = asked.key, errors.Is(err, envconfig.ErrMissingRequired)
	switch {
	case err != nil && !f.Required:
		return Field{}, fmt.Errorf("%s: tag `env:%q`: %w", l.path, l.tags[len(l.tags)-1], err)
	case strings.TrimSpace(f.Desc) == "":
		return Field{}, fmt.Errorf("%s: the variable %s has no description, add a desc tag", l.path, f.Key)
	}
	return f, nil
}

// Markdown writes fields as a table with a heading of the second level.
func Markdown(w io.Writer, title string, fields []Field) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n| variable | type | default | meaning |\n| --- | --- | --- | --- |\n", title)
	for _, f := range fields {
		value := "–"
		switch {
		case f.Required:
			value = "**required**"
		case f.Default != "":
			value = "`" + cell(f.Default) + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", cell(f.Key), cell(f.Type), value, cmp.Or(cell(f.Desc), "–"))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table of %s: %w", title, err)
	}
	return nil
}

// cell escapes what would end a cell or a row of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\r", " ", "\n", " ").Replace(text)
}
