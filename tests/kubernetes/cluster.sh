#!/usr/bin/env bash
# A real Kubernetes API server on this machine, with etcd, without containers and without nodes: for tests.
#
#   cluster.sh fetch                     build kube-apiserver and kubectl into the cache (once, some minutes)
#   cluster.sh start DIR                 start etcd and kube-apiserver on free ports of 127.0.0.1, data and logs below
#                                        DIR; prints the URL
#   cluster.sh kubectl DIR ARGUMENT…     kubectl as the administrator
#   cluster.sh kubeconfig DIR NAMESPACE SERVICEACCOUNT
#                                        a kubeconfig with a fresh token of that ServiceAccount; prints its path
#   cluster.sh pause DIR, resume DIR     the API server answers nothing, and goes on
#   cluster.sh stop-apiserver DIR, start-apiserver DIR
#                                        the API server is away, and is back on its old port
#   cluster.sh start-builds DIR          something that builds: build.openshift.io/v1 with `instantiate`, see
#                                        builds/server.py; openshift-crds.yaml should be applied before
#   cluster.sh stop-builds DIR           as before: the CRDs serve build.openshift.io/v1, and nothing builds
#   cluster.sh stop DIR                  stop all
#
# Below DIR, `kubeconfig` is the administrator's (group system:masters), ca.pem the CA certificate, `url` the address;
# webhooks are shown a certificate of that CA with the name kube-apiserver; etcd and apiserver have etcd.pid, etcd.log,
# apiserver.pid and apiserver.log. CLADE_APISERVER_FLAGS are further flags of the API server. Nothing else of Kubernetes runs: no controller deletes what an owner or a namespace leaves behind, and
# no namespace has a ServiceAccount that nobody creates. Custom resources of the group image.openshift.io can be called by
# a digest, as in OpenShift; all else is Kubernetes' own. openshift-crds.yaml has OpenShift's kinds.
#
# An API server of a test's own, for what CRDs cannot do, is reached through this one (the aggregation layer): builds/ is
# one, which start-builds starts. With it listening on 127.0.0.1:PORT over TLS, any namespace and any name, apply
#
#   {kind: Service, apiVersion: v1, metadata: {name: NAME, namespace: NAMESPACE},
#    spec: {type: ExternalName, externalName: localhost}}
#   {kind: APIService, apiVersion: apiregistration.k8s.io/v1, metadata: {name: v1.build.openshift.io,
#    labels: {kube-aggregator.kubernetes.io/automanaged: "false"}},
#    spec: {group: build.openshift.io, version: v1, groupPriorityMinimum: 2000, versionPriority: 100,
#           service: {name: NAME, namespace: NAMESPACE, port: PORT}, insecureSkipTLSVerify: true}}
#
# and wait for the APIService's condition Available. It takes the whole group version over from the CRDs, and keeps it
# because of the label: without it, the API server gives it back to them. The certificate of the test's server may be any;
# with caBundle in place of insecureSkipTLSVerify it has to be for NAME.NAMESPACE.svc. It must answer GET
# /apis/build.openshift.io/v1 with an APIResourceList. Who asks was authenticated and authorized already (RBAC,
# subresources included) and stands in X-Remote-User and X-Remote-Group; that it is the API server who says so is proven
# by a client certificate of the CA DIR/front-proxy.pem. Bodies can come chunked.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/lib.sh
. "$here/../lib.sh"
version=$(sed -n 's:^\tk8s.io/kubernetes v::p' "$here/go.mod")
home=$cache/kubernetes-$version

kubectl() { KUBECONFIG=$1/kubeconfig "$home/kubectl" "${@:2}"; } # a plugin takes no flag before its name

fetch() {
  [ -d "$home" ] && return
  local set=k8s.io/component-base/version program
  new=$(part "$home")
  # Go keeps 2 GB of what it downloads and builds; only the two programs are worth it.
  trap 'chmod -R u+w "$new"; rm -rf "$new"' EXIT
  export GOMODCACHE=$new/go/mod GOCACHE=$new/go/build GOFLAGS=-mod=readonly CGO_ENABLED=0
  cd "$here"
  patch "$new/go" || fail "Go could not download Kubernetes $version; what it said stands above"
  for program in kube-apiserver kubectl; do
    echo "building $program $version into $home: once, some minutes" >&2
    go_ build -trimpath -modfile "$new/go/go.mod" -o "$new/$program" -ldflags "-s -w -X $set.gitVersion=v$version \
      -X $set.gitMajor=${version%%.*} -X $set.gitMinor=$(cut -d. -f2 <<<"$version")" "./$program" ||
      fail "Go could not build $program $version; what it said stands above"
  done
  chmod -R u+w "$new/go"
  rm -rf "$new/go"
  keep "$new" "$home"
  trap - EXIT
}

patch() { # DIR: a go.mod that has one rule of the API server replaced, see patch/names.go
  local custom=pkg/registry/customresource own=$1/apiextensions-apiserver from
  from=$(go_ list -f '{{.Module.Dir}}' "k8s.io/apiextensions-apiserver/$custom") || return
  cp -r "$from" "$own" && chmod -R u+w "$own" && cp patch/names.go "$own/$custom/" && cp go.mod go.sum "$1"
  sed -i 's/validation\.NameIsDNSSubdomain, field/nameRule(a.kind), field/' "$own/$custom/validator.go"
  grep -q 'nameRule(a.kind)' "$own/$custom/validator.go" ||
    fail "Kubernetes $version checks names elsewhere: mend patch()"
  go_ mod edit -replace "k8s.io/apiextensions-apiserver=$own" "$1/go.mod"
}

configure() { # PATH DIR NAMESPACE TOKEN: writes a kubeconfig
  cat >"$1" <<CONF
{apiVersion: v1, kind: Config, current-context: clade,
 clusters: [{name: clade, cluster: {server: "$(cat "$2/url")", certificate-authority-data: $(base64 -w0 "$2/ca.pem")}}],
 users: [{name: clade, user: {token: $4}}],
 contexts: [{name: clade, context: {cluster: clade, user: clade, namespace: $3}}]}
CONF
}

introduce() { # DIR: the API server shows webhooks a certificate of the CA, with the name kube-apiserver
  local dir=$1 plugin
  certificate "$dir/webhook-client" kube-apiserver DNS:kube-apiserver "$dir/ca"
  cat >"$dir/webhook-clients" <<CONF
apiVersion: v1
kind: Config
users:
- name: "*"
  user: {client-certificate: "$dir/webhook-client.pem", client-key: "$dir/webhook-client.key"}
CONF
  printf 'apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n' >"$dir/admission.yaml"
  for plugin in ValidatingAdmissionWebhook MutatingAdmissionWebhook; do
    cat >>"$dir/admission.yaml" <<CONF
- name: $plugin
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: "$dir/webhook-clients"
CONF
  done
}

start_etcd() { # DIR PORT PEERS
  local flags=() peers=http://127.0.0.1:$3
  etcd --help 2>&1 | grep -q unsafe-no-fsync && flags+=(--unsafe-no-fsync) # since 3.5
  launch "$1" etcd etcd --name clade --data-dir "$1/etcd" --listen-client-urls "http://127.0.0.1:$2" \
    --advertise-client-urls "http://127.0.0.1:$2" --listen-peer-urls "$peers" --initial-advertise-peer-urls "$peers" \
    --initial-cluster "clade=$peers" --logger zap --log-outputs stderr "${flags[@]}"
}

start_apiserver() { # DIR
  local dir=$1 etcd port
  read -r etcd _ port <"$dir/ports"
  # shellcheck disable=SC2086 # several flags in one variable
  launch "$dir" apiserver "$home/kube-apiserver" --etcd-servers="http://127.0.0.1:$etcd" \
    --bind-address=127.0.0.1 --secure-port="$port" --tls-cert-file="$dir/apiserver.pem" \
    --tls-private-key-file="$dir/apiserver.key" --service-cluster-ip-range=10.0.0.0/24 --allow-privileged=true \
    --authorization-mode=RBAC --disable-admission-plugins=ServiceAccount --token-auth-file="$dir/tokens.csv" \
    --service-account-issuer="https://127.0.0.1:$port" --service-account-key-file="$dir/accounts.key" \
    --service-account-signing-key-file="$dir/accounts.key" --enable-aggregator-routing=false \
    --requestheader-client-ca-file="$dir/front-proxy.pem" --requestheader-allowed-names=clade-front-proxy \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- --proxy-client-cert-file="$dir/front-proxy-client.pem" \
    --proxy-client-key-file="$dir/front-proxy-client.key" --admission-control-config-file="$dir/admission.yaml" \
    --shutdown-watch-termination-grace-period=1s ${CLADE_APISERVER_FLAGS:-}
  wait_until "$dir" apiserver kubectl "$dir" get --raw /readyz
  wait_until "$dir" apiserver kubectl "$dir" get namespace default kube-system
}

start() { # DIR
  local dir=$1 etcd peers port
  need etcd "etcd-server of Debian"
  fetch
  free_ports 3 >"$dir/ports"
  read -r etcd peers port <"$dir/ports"
  echo "https://127.0.0.1:$port" >"$dir/url"
  certificate "$dir/ca" clade-ca DNS:clade-ca
  certificate "$dir/apiserver" kube-apiserver IP:127.0.0.1,DNS:localhost "$dir/ca"
  certificate "$dir/front-proxy" clade-front-proxy-ca DNS:clade-front-proxy-ca
  certificate "$dir/front-proxy-client" clade-front-proxy DNS:clade-front-proxy "$dir/front-proxy"
  introduce "$dir"
  openssl ecparam -name prime256v1 -genkey -noout -out "$dir/accounts.key"
  echo 'clade-admin,admin,1,"system:masters"' >"$dir/tokens.csv"
  configure "$dir/kubeconfig" "$dir" default clade-admin
  start_etcd "$dir" "$etcd" "$peers"
  start_apiserver "$dir"
  cat "$dir/url"
}

start_builds() { # DIR
  local dir=$1 port
  stop_builds "$dir"
  port=$(free_ports 1)
  certificate "$dir/builds" clade-builds DNS:localhost "$dir/ca"
  launch "$dir" builds python3 -B "$here/builds/server.py" "$dir" "$port" # -B: leaves nothing in the checkout
  # The API server looks at once whether somebody answers, and then again only after a while.
  wait_until "$dir" builds bash -c "</dev/tcp/127.0.0.1/$port"
  kubectl "$dir" apply --server-side --force-conflicts -f - >/dev/null <<YAML
{kind: Service, apiVersion: v1, metadata: {name: clade-builds, namespace: default},
 spec: {type: ExternalName, externalName: localhost}}
---
{kind: APIService, apiVersion: apiregistration.k8s.io/v1,
 metadata: {name: v1.build.openshift.io, labels: {kube-aggregator.kubernetes.io/automanaged: "false"}},
 spec: {group: build.openshift.io, version: v1, groupPriorityMinimum: 2000, versionPriority: 100,
        service: {name: clade-builds, namespace: default, port: $port}, insecureSkipTLSVerify: true}}
YAML
  wait_until "$dir" builds instantiates "$dir"
}

# DIR: whether the API server has build.openshift.io/v1 from the build server. `Available` alone could be of before.
instantiates() { kubectl "$1" get --raw /apis/build.openshift.io/v1 | grep buildconfigs/instantiate; }

stop_builds() { # DIR
  [ -e "$1/builds.pid" ] || return 0
  kubectl "$1" delete apiservice v1.build.openshift.io >/dev/null
  kubectl "$1" delete service clade-builds --namespace default --ignore-not-found >/dev/null
  # The API server makes the APIService of the CRDs anew, if they are there.
  wait_until "$1" apiserver not instantiates "$1"
  wait_until "$1" apiserver served "$1"
  end "$1/builds.pid"
  rm -f "$1/builds.pid"
}
not() { ! "$@"; }
served() { # DIR: whether the CRDs, if they are there, serve build.openshift.io/v1
  ! kubectl "$1" get crd builds.build.openshift.io || kubectl "$1" get builds.v1.build.openshift.io
}

kubeconfig() { # DIR NAMESPACE SERVICEACCOUNT
  local token path=$1/kubeconfig-$2-$3
  token=$(kubectl "$1" --namespace "$2" create token "$3" --duration 24h) ||
    fail "no token for ServiceAccount $3 in namespace $2; what the API server said stands above"
  configure "$path" "$1" "$2" "$token"
  echo "$path"
}

usage() { sed -n '2,/^# An API server/s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -2 >&2; exit 2; }

case "${1:-} $#" in
  "fetch 1") fetch ;;
  "start 2") start "$(mkdir -p "$2" && cd "$2" && pwd)" ;;
  "kubectl "*) kubectl "${@:2}" ;;
  "kubeconfig 4") kubeconfig "${@:2}" ;;
  "pause 2") kill -STOP "$(cat "$2/apiserver.pid")" ;;
  "resume 2") kill -CONT "$(cat "$2/apiserver.pid")" ;;
  "stop-apiserver 2") end "$2/apiserver.pid" ;;
  "start-apiserver 2") start_apiserver "$2" ;;
  "start-builds 2") start_builds "$(cd "$2" && pwd)" ;;
  "stop-builds 2") stop_builds "$2" ;;
  "stop 2") end "$2/builds.pid" "$2/apiserver.pid"; end "$2/etcd.pid" ;;
  *) usage ;;
esac
