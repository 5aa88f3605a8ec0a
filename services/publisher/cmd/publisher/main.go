// Command publisher brings each changed contract to Enneo, one request at a time per contract.
package main

import (
	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/services/publisher"
)

func main() { app.Main("publisher", publisher.Run) }
