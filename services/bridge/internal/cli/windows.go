package cli

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/enneo-ai/enneo-bridge/libs/config"
	"github.com/enneo-ai/enneo-bridge/libs/key"
	"github.com/enneo-ai/enneo-bridge/libs/redisx"
	"github.com/enneo-ai/enneo-bridge/services/debouncer/windows"
)

const (
	keyForm = "<source>.<kind>.<id>"
	// redisPatience is how long the commands wait for Redis: a person who looks wants to know soon that it is away.
	redisPatience = 5 * time.Second
	// windowsFootnote stands below the help of every command about windows.
	windowsFootnote = `A key is written <source>.<kind>.<id>, for example powercloud.contract.VN-100001, with every byte of the id that is not an
ASCII letter, digit, - or _ as =XX ("12/3" is 12=2F3). Redis is found by REDIS_URL, as the debouncer finds it.`
)

func newWindows(env config.Environment) *cobra.Command {
	cmd := &cobra.Command{
		Use: "windows", Short: "List the open debounce windows, and steer them", Args: cobra.NoArgs, RunE: help,
		Long: `Shows what waits in the debounce windows of a running installation, and lets an operator flush a window now or drop it.
Debouncers may run meanwhile.

` + windowsFootnote,
	}
	cmd.AddCommand(newWindowsList(env), newWindowsShow(env), newWindowsFlush(env), newWindowsDrop(env))
	return cmd
}

// timeoutFlag adds --timeout to a command, and makes its context end then.
func timeoutFlag(cmd *cobra.Command, run func(cmd *cobra.Command, args []string) error) {
	timeout := cmd.Flags().Duration("timeout", time.Minute, "how long the command may take")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *timeout <= 0 {
			return fmt.Errorf("--timeout %s is not positive", *timeout)
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		cmd.SetContext(ctx)
		return run(cmd, args)
	}
}

// redisConfig is where the windows are; the same variable as the debouncer's.
type redisConfig struct {
	URL config.Secret `env:"REDIS_URL, default=redis://127.0.0.1:6379" desc:"Redis with the windows"`
}

// openWindows connects to the windows of a running installation.
func openWindows(ctx context.Context, env config.Environment) (w *windows.Windows, closeRedis func(), err error) {
	var cfg redisConfig
	if err := config.Load(ctx, env, &cfg); err != nil {
		return nil, nil, err
	}
	// What go-redis says about each attempt is in the error at the end.
	redisx.LogTo(slog.New(slog.DiscardHandler))
	connecting, cancel := context.WithTimeout(ctx, redisPatience)
	defer cancel()
	rdb, err := redisx.Open(connecting, cfg.URL.Reveal())
	if err != nil {
		return nil, nil, fmt.Errorf("connect to Redis (see REDIS_URL): %w", err)
	}
	closeRedis = func() { _ = rdb.Close() } // Everything sent has been answered.
	w, err = windows.Open(ctx, rdb)
	if err != nil {
		closeRedis()
		return nil, nil, fmt.Errorf("open the windows (see REDIS_URL): %w", err)
	}
	return w, closeRedis, nil
}

// parseKey reads a key as a person gives it.
func parseKey(text string) (key.Key, error) {
	k, err := key.Parse(text)
	if err != nil {
		hint := ""
		if parts := strings.SplitN(text, ".", 3); len(parts) == 3 {
			if meant := likely(parts[0], parts[1], parts[2]); meant != "" {
				hint = fmt.Sprintf("; did you mean %s?", meant)
			}
		}
		return key.Key{}, fmt.Errorf("%q is no key of the form %s: %w%s", text, keyForm, err, hint)
	}
	return k, nil
}

// likely is the key that somebody may have meant who wrote the id as it is, "" if it is none.
func likely(source, kind, id string) string {
	k, err := key.New(source, key.Kind(kind), id)
	if err != nil {
		return ""
	}
	return k.String()
}

func parseKeys(texts []string) ([]key.Key, error) {
	keys := make([]key.Key, len(texts))
	for i, text := range texts {
		var err error
		if keys[i], err = parseKey(text); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// validSource checks the value of --source; empty means every source.
func validSource(name string) error {
	if name != "" && !key.ValidSource(name) {
		return fmt.Errorf("--source %q: %w", name, key.ErrSource)
	}
	return nil
}

// rough is a duration as precise as a person wants it: tenths of a second below ten seconds.
func rough(d time.Duration) string {
	if d.Abs() < 10*time.Second {
		return short(d.Round(100 * time.Millisecond))
	}
	return short(d.Round(time.Second))
}

// until says when something happens or happened.
func until(now, at time.Time) string {
	if at.After(now) {
		return "in " + rough(at.Sub(now))
	}
	return rough(now.Sub(at)) + " ago"
}
