// Command manifests writes the generated part of the overlays whose folders are its arguments: scaling-triggers.yaml.
package main

import (
	"fmt"
	"os"

	"github.com/enneo-ai/enneo-bridge/services/manifests"
)

func main() {
	if err := manifests.Command(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
