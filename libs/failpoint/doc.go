// Package failpoint names the moments in which a process may die or be paused, so that tests can do it exactly there.
//
// A build without the tag "failpoint", which is every build that is deployed, has empty functions: nothing of it can be
// switched on by the environment. A build with the tag reads FAILPOINTS, a comma-separated list of
// "<name>=kill|stop|stop:<n>|kill:<n>" (kill -9 or SIGSTOP to the process itself, the n-th time the point is reached,
// the first time by default).
//
// # Concurrency
//
// Hit may be called from any goroutine.
package failpoint
