// Command outage takes the ERP and then Enneo away for a while from real processes, and counts what that costs.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/outage"
)

func main() {
	ctx, done := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := outage.Command(ctx, os.Args[1:], os.Stdout)
	done()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
