// Command sift reads what "go test -json" prints, prints what "go test" would have printed, and exits with 1 if anything in it
// looks like personal data or a secret; see package sift. With -v it prints what "go test -v" would have printed.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/enneo-ai/enneo-bridge/services/e2e/internal/sift"
)

func main() {
	verbose := flag.Bool("v", false, "print what tests print that pass, too")
	flag.Parse()
	if err := sift.Sift(os.Stdin, os.Stdout, os.Stderr, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
