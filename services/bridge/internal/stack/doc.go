// Package stack runs all of enneo-bridge in one process: an embedded nats-server with JetStream on disk, an in-process
// Redis, simulated ERPs and Enneo, and the services from the ingestor to the publisher.
//
// # Concurrency
//
// A Stack's methods may be called from any goroutine; Stop comes once. Several stacks may run side by side.
//
// # Guarantees
//
// Start returns when every service is ready, or with the first reason why one is not; then nothing of the stack is left.
// Stop ends the services in the order of the flow, so that each of them still finds what it needs to finish its work.
package stack
