package config

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strconv"

	"github.com/sethvargo/go-envconfig"
)

// Validator is a configuration struct that checks what tags cannot express. Validate is called on a struct, outermost
// or nested, whose variables have all been read. Its errors name the variable, the value, what is wrong and the remedy;
// errors.Join makes several of them. A nested struct names its variables without the prefix, which Load adds.
type Validator interface{ Validate() error }

// Load fills target, a pointer to a struct, from env. Its error is a join (errors.Join) of everything that is wrong,
// each with the variable's name, the value unless it is a Secret, what is wrong and the remedy. After an error the
// target holds the values that could be read.
func Load(ctx context.Context, env envconfig.Lookuper, target any) error {
	v := reflect.ValueOf(target)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return fmt.Errorf("load configuration into %T: %w", target, errTarget)
	}
	errs, _ := walk(v.Elem(), nil, v.Elem().Type().Name(), visitor{
		leaf:   func(l leaf) error { return loadLeaf(ctx, env, l) },
		closed: func(v reflect.Value, tags []string) error { return validate(ctx, env, v, tags) },
	})
	return errors.Join(errs...)
}

func loadLeaf(ctx context.Context, env envconfig.Lookuper, l leaf) error {
	asked := &lookup{env: env}
	value, err := process(ctx, asked, l.field.Type, l.tags)
	switch {
	case errors.Is(err, envconfig.ErrMissingRequired):
		return fmt.Errorf("%s: %w; set it: %s", asked.key, ErrMissing, l.field.Tag.Get("desc"))
	case err != nil && asked.found:
		return badValue(asked.key, asked.value, l.field, err)
	case err != nil:
		return fmt.Errorf("%s: tag `env:%q`: %w", l.path, l.tags[len(l.tags)-1], err)
	}
	// What the program has set beforehand is a default that is stronger than the tag's.
	if asked.found || l.value.IsZero() {
		l.value.Set(value)
	}
	return nil
}

// ErrMissing is in the chain of the error for a required variable that is not set.
var ErrMissing = errors.New("required, but not set or empty")

// badValue says what is wrong with a value that the library could not parse. The library's own error stays out of it: it
// quotes values, and for a type with several decoders it is that of the last one tried.
func badValue(key, value string, field reflect.StructField, err error) error {
	remedy := remedy(field.Type, field.Tag.Get("desc"))
	switch {
	case hidesValue(field.Type):
		return fmt.Errorf("%s: cannot be read (the value is secret and not shown); %s", key, remedy)
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("%s=%q: out of range; %s", key, value, remedy)
	default:
		return fmt.Errorf("%s=%q: cannot be read; %s", key, value, remedy)
	}
}

func validate(ctx context.Context, env envconfig.Lookuper, v reflect.Value, tags []string) error {
	checked, ok := v.Addr().Interface().(Validator)
	if !ok {
		return nil
	}
	err := checked.Validate()
	if err == nil {
		return nil
	}
	before := prefix(ctx, env, tags)
	if before == "" {
		return err
	}
	var errs []error
	for _, e := range flatten(err) {
		errs = append(errs, fmt.Errorf("%s*: %w", before, e))
	}
	return errors.Join(errs...)
}
