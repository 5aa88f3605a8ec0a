// Package rig runs and watches the real thing: the binaries of the services, nats-server, redis-server and the simulator,
// each as a process of its own, for tests and for the chaos suite.
//
// Nothing here decides whether a run was good, and nothing ends a test: everything returns errors.
//
// # Concurrency
//
// Everything is safe for concurrent use, except that a server (NATS, Redis) is started and killed by one goroutine at a
// time.
package rig
