// Command hit reaches each failpoint named by its arguments, in their order, and says on standard output which it outlived.
package main

import (
	"fmt"
	"os"

	"github.com/enneo-ai/enneo-bridge/libs/failpoint"
)

func main() {
	for _, name := range os.Args[1:] {
		failpoint.Hit(name)
		fmt.Fprintln(os.Stdout, "past", name)
	}
}
