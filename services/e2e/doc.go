// Package e2e tests the real binaries as processes, against the real NATS server, a real Redis and the simulated ERP
// and Enneo. What runs and watches them is package rig; the chaos suite is package chaos.
package e2e
