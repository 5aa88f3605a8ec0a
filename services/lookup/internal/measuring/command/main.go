// Command command measures the read model of lookup in a process of its own, and prints what it measured as JSON. make bench runs it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/enneo-ai/enneo-bridge/services/lookup/internal/measuring"
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := measuring.Main(ctx, os.Args[1:], os.Stdout)
	restore()
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // This is main; the commands of the product lie in cmd/.
	}
}
