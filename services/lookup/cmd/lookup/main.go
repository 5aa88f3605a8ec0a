// Command lookup answers Enneo's real-time search calls.
package main

import (
	"github.com/enneo-ai/enneo-bridge/libs/app"
	"github.com/enneo-ai/enneo-bridge/services/lookup"
)

func main() { app.Main("lookup", lookup.Run) }
