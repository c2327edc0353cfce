// Whose CRDs the chart's objects are checked with. Nothing is built: these modules hold them as files.
module carpool.test/packaging/crds

go 1.24.0

require (
	github.com/cert-manager/cert-manager v1.19.1
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
