// Package e2e tests the real binaries as processes, against the real NATS server, a real Redis and the simulated ERP
// and Enneo.
package e2e
