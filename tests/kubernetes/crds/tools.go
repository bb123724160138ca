// Package crds names what the schemas of the Prometheus operator's kinds are generated from; see crds.sh.
package crds

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
