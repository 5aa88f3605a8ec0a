// Command licences prints the modules that packages consist of, with their licences, and fails for one that is not accepted.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/enneo-ai/enneo-bridge/services/licences"
)

func main() {
	if err := licences.Command(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
