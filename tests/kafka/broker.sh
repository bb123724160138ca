#!/usr/bin/env bash
# A real Apache Kafka on this machine, without containers: for tests, benchmarks and for trying clade out.
#
#   broker.sh fetch                 bring Apache Kafka into the cache (once)
#   broker.sh start DIR [--nodes N] start N nodes (1 or 3) on free ports of 127.0.0.1, data and logs below DIR;
#                                   prints the bootstrap servers
#   broker.sh restart DIR NODE      start a node that was stopped or killed again, on its old ports
#   broker.sh delete DIR TOPIC      delete a topic
#   broker.sh stop DIR              stop all nodes cleanly
#
# Below DIR, each node N has nodeN/pid, nodeN/server.properties and nodeN/server.log; DIR/bootstrap holds the bootstrap
# servers, DIR/sasl those of the SASL_SSL listener, whose CA certificate is DIR/ca.pem (user clade, password secret).
# CLADE_BROKER_PROPERTIES are further lines of server.properties; of two for the same property the last one counts.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n '/<artifactId>kafka_2.13</,/<version>/s:.*<version>\(.*\)</version>.*:\1:p' "$here/pom.xml")
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
home=$cache/kafka-$version

java_() { exec java -cp "$home/libs/*" -Dlog4j2.configurationFile="$here/log4j2.properties" "$@"; }

fetch() {
  [ -d "$home/libs" ] && return
  need java "a Java runtime of version 17 or later, as openjdk-17-jre-headless of Debian"
  need mvn "Apache Maven, as maven of Debian"
  echo "fetching Apache Kafka $version into $home" >&2
  local new try; new=$(part "$home")
  for try in 1 2 3; do
    mvn -q -B -f "$here/pom.xml" dependency:copy-dependencies \
      -DoutputDirectory="$new/libs" -DincludeScope=runtime >&2 && break
    [ "$try" = 3 ] && fail "Maven could not fetch Apache Kafka $version; what it said stands above"
    sleep $((try * 5))
  done
  keep "$new" "$home"
}

certificates() { # DIR: a CA and a certificate of 127.0.0.1, for the SASL_SSL listener
  local dir=$1
  need keytool "a JDK, as openjdk-17-jdk-headless of Debian"
  keytool -genkeypair -alias broker -keyalg RSA -keysize 2048 -validity 3650 -dname CN=127.0.0.1 \
    -ext san=ip:127.0.0.1 -storetype PKCS12 -keystore "$dir/broker.p12" -storepass changeit 2>/dev/null
  keytool -exportcert -rfc -alias broker -keystore "$dir/broker.p12" -storepass changeit >"$dir/ca.pem" 2>/dev/null
}

join() { local IFS=,; echo "$*"; }

start_node() { # DIR NODE
  local node=$1/node$2 log=$1/node$2/server.log
  # In a subshell that becomes the process, so that the number is the process's own.
  (java_ -Xms256m -Xmx1g -XX:+UseG1GC kafka.Kafka "$node/server.properties" >>"$log" 2>&1) &
  echo $! >"$node/pid"
}

wait_ready() { # DIR NODE: until the node says that it serves
  local node=$1/node$2 before=$3 try
  for try in $(seq 1 1200); do
    grep -q "Kafka Server started" <(tail -c +"$((before + 1))" "$node/server.log" 2>/dev/null) && return
    runs "$(cat "$node/pid")" || fail "node $2 has ended: see $node/server.log"
    sleep 0.1
  done
  fail "node $2 did not start within 120 s: see $node/server.log"
}

start() {
  local dir=$1 nodes=${2:-1} node ports voters=() bootstrap=() sasl=() cluster
  fetch
  mkdir -p "$dir"
  read -ra ports <<<"$(free_ports $((nodes * 3)))"
  cluster=$(java_ kafka.tools.StorageTool random-uuid)
  certificates "$dir"
  for node in $(seq 1 "$nodes"); do
    bootstrap+=("127.0.0.1:${ports[$((node - 1))]}")
    sasl+=("127.0.0.1:${ports[$((2 * nodes + node - 1))]}")
    voters+=("$node@127.0.0.1:${ports[$((nodes + node - 1))]}")
  done
  for node in $(seq 1 "$nodes"); do
    mkdir -p "$dir/node$node"
    cat >"$dir/node$node/server.properties" <<CONF
process.roles=broker,controller
node.id=$node
controller.quorum.voters=$(join "${voters[@]}")
listeners=PLAINTEXT://${bootstrap[$((node - 1))]},SASL_SSL://${sasl[$((node - 1))]},CONTROLLER://${voters[$((node - 1))]#*@}
advertised.listeners=PLAINTEXT://${bootstrap[$((node - 1))]},SASL_SSL://${sasl[$((node - 1))]}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
log.dirs=$dir/node$node/data
offsets.topic.replication.factor=$nodes
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$nodes
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=$(((nodes + 1) / 2))
share.coordinator.state.topic.replication.factor=$nodes
share.coordinator.state.topic.min.isr=$(((nodes + 1) / 2))
default.replication.factor=$nodes
min.insync.replicas=$(((nodes + 1) / 2))
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
log.cleaner.backoff.ms=1000
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512,OAUTHBEARER
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_clade="secret";
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";
ssl.keystore.type=PKCS12
ssl.keystore.location=$dir/broker.p12
ssl.keystore.password=changeit
ssl.key.password=changeit
${CLADE_BROKER_PROPERTIES:-}
CONF
    (java_ kafka.tools.StorageTool format -t "$cluster" -c "$dir/node$node/server.properties" \
      --add-scram 'SCRAM-SHA-512=[name=clade,password=secret]') >"$dir/node$node/format.log" 2>&1 \
      || fail "cannot format node $node: see $dir/node$node/format.log"
    start_node "$dir" "$node"
  done
  for node in $(seq 1 "$nodes"); do wait_ready "$dir" "$node" 0; done
  join "${sasl[@]}" >"$dir/sasl"
  join "${bootstrap[@]}" >"$dir/bootstrap"
  cat "$dir/bootstrap"
}

restart() {
  local before; before=$(stat -c %s "$1/node$2/server.log")
  start_node "$1" "$2"
  wait_ready "$1" "$2" "$before"
}

case "${1:-}" in
  fetch) fetch ;;
  start)
    [ $# -ge 2 ] || fail "start where? broker.sh start DIR [--nodes N]"
    start "$(mkdir -p "$2" && cd "$2" && pwd)" "$([ "${3:-}" = --nodes ] && echo "${4:-1}" || echo 1)" ;;
  restart) restart "$2" "$3" ;;
  delete) java_ org.apache.kafka.tools.TopicCommand --bootstrap-server "$(cat "$2/bootstrap")" --delete --topic "$3" ;;
  stop) end "$2"/node*/pid ;;
  *) sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
