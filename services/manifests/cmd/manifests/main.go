// Command manifests writes the generated part of the overlays that are its arguments: scaling-triggers.yaml.
package main

import (
	"fmt"
	"os"

	"github.com/enneo-ai/enneo-bridge/services/manifests"
)

func main() {
	for _, overlay := range os.Args[1:] {
		if err := manifests.WriteTriggers(overlay); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
