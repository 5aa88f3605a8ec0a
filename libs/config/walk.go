package config

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/sethvargo/go-envconfig"
)

// errTarget says that the caller passed something that cannot be configured.
var errTarget = errors.New("target must be a non-nil pointer to a struct")

// leaf is one field that a variable fills.
type leaf struct {
	field reflect.StructField
	value reflect.Value
	// tags are the env tags from the outermost nested struct down to the field itself: prefixes and options that
	// nested structs inherit are the library's business.
	tags []string
	// path names the field for the programmer, for example "Config.Redis.URL".
	path string
}

// visitor is told about each leaf and about each struct after its leaves. A leaf that reports an error keeps the
// structs around it from being visited.
type visitor struct {
	leaf   func(leaf) error
	closed func(v reflect.Value, tags []string) error
}

// walk visits the fields of v in their order and returns all errors, and whether every leaf below was read.
func walk(v reflect.Value, tags []string, path string, visit visitor) (errs []error, read bool) {
	read = true
	for i := range v.NumField() {
		field := v.Type().Field(i)
		tag, tagged := field.Tag.Lookup("env")
		key, _, _ := strings.Cut(tag, ",")
		at := path + "." + field.Name
		below := append(slices.Clone(tags), tag)
		nested := field.Type.Kind() == reflect.Struct && strings.TrimSpace(key) == ""
		switch {
		case !field.IsExported() && (tagged || nested && hasVariables(field.Type)):
			errs, read = append(errs, fmt.Errorf("%s: a field that is not exported cannot be configured", at)), false
		case !field.IsExported():
		case nested && field.Anonymous:
			errs, read = append(errs, fmt.Errorf("%s: embedded structs are not supported, give the field a name", at)), false
		case nested:
			inner, whole := walk(v.Field(i), below, at, visit)
			errs, read = append(errs, inner...), read && whole
		case tagged:
			if err := visit.leaf(leaf{field: field, value: v.Field(i), tags: below, path: at}); err != nil {
				errs, read = append(errs, err), false
			}
		case field.Type.Kind() == reflect.Pointer && hasVariables(field.Type.Elem()):
			errs, read = append(errs, fmt.Errorf("%s: nested configuration must be a struct, not a pointer", at)), false
		}
	}
	if read {
		if err := visit.closed(v, tags); err != nil {
			errs = append(errs, flatten(err)...)
		}
	}
	return errs, read
}

// hasVariables tells whether t is a struct with env tags of its own.
func hasVariables(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		if _, tagged := t.Field(i).Tag.Lookup("env"); tagged {
			return true
		}
	}
	return false
}

// flatten takes joined errors apart, so that each is one line of the whole.
func flatten(err error) []error {
	// Only an error that is itself a join: one that wraps a join has a text around it.
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// lookup records what the library asks for while it processes a single leaf.
type lookup struct {
	env envconfig.Lookuper
	// key is the full name of the variable, value what the environment has for it.
	key   string
	value string
	asked bool
	found bool
}

// Lookup implements envconfig.Lookuper. The first question is for the leaf's own variable; later ones are for variables
// that its default mentions.
func (l *lookup) Lookup(key string) (string, bool) {
	value, found := l.env.Lookup(key)
	found = found && value != ""
	if !l.asked {
		l.asked, l.key, l.value, l.found = true, fullKey(l.env, key), value, found
	}
	return value, found
}

// fullKey is the variable that env looks at when it is asked for key.
func fullKey(env envconfig.Lookuper, key string) string {
	if k, ok := env.(interface{ Key(string) string }); ok {
		return k.Key(key)
	}
	return key
}

// process lets the library fill a zero value of type t, declared with the tags. The value sits in a nest of structs with
// one field each, which is how the library gets to process one leaf and no other, knowing all prefixes.
func process(ctx context.Context, l *lookup, t reflect.Type, tags []string, mutators ...envconfig.Mutator) (reflect.Value, error) {
	for _, tag := range slices.Backward(tags) {
		t = reflect.StructOf([]reflect.StructField{{Name: "F", Type: t, Tag: reflect.StructTag("env:" + strconv.Quote(tag))}})
	}
	nest := reflect.New(t)
	err := envconfig.ProcessWith(ctx, &envconfig.Config{Target: nest.Interface(), Lookuper: l, Mutators: mutators})
	value := nest.Elem()
	for range tags {
		value = value.Field(0)
		// The library puts the name of the field, which is ours and tells nothing, before the reason.
		if inner := errors.Unwrap(err); inner != nil && strings.HasPrefix(err.Error(), "F: ") {
			err = inner
		}
	}
	return value, err
}

// prefix is what stands before the names of the variables of a struct at tags.
func prefix(ctx context.Context, env envconfig.Lookuper, tags []string) string {
	l := &lookup{env: env}
	// The only question is which name the library asks for; there is nothing to parse and so no error.
	_, _ = process(ctx, l, reflect.TypeFor[string](), append(slices.Clone(tags), "X"))
	return strings.TrimSuffix(l.key, "X")
}
