// Command images builds the image of every command without a container engine, inspects it, and runs it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/images"
)

func main() {
	ctx, done := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := images.Command(ctx, os.Args[1:], os.Stdout)
	done()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
