// Package monitoring holds what people look at to what real services tell: traces, exemplars, docs/metrics.md, dashboards and
// alert rules. It has tests only. They need prometheus and promtool (scripts/ensure-prometheus.sh).
package monitoring
