#!/bin/sh
# Prints what the extractor of every node finds in that node's containers, in clear text.
# Needs kubectl (or KUBECTL) with a kube config that may exec into the extractor's pods. Leaves nothing behind.
set -eu

usage="usage: sh hack/extract.sh [--namespace NAMESPACE] [--name DAEMONSET]
  --namespace   default runtime-insights
  --name        default runtime-insights-extractor; the standalone manifests name it runtime-insights-standalone
KUBECTL names the kubectl to use, KUBECONFIG the cluster."

namespace=runtime-insights
name=runtime-insights-extractor
while [ $# -gt 0 ]; do
  case "$1" in
    --help | -h) echo "$usage"; exit 0 ;;
    --namespace | --name)
      [ $# -ge 2 ] || { echo "$1 needs a value" >&2; echo "$usage" >&2; exit 2; }
      if [ "$1" = --name ]; then name=$2; else namespace=$2; fi
      shift 2 ;;
    --namespace=*) namespace=${1#*=}; shift ;;
    --name=*) name=${1#*=}; shift ;;
    *) echo "unexpected: $1" >&2; echo "$usage" >&2; exit 2 ;;
  esac
done

kubectl=${KUBECTL:-kubectl}
command -v "$kubectl" >/dev/null || { echo "kubectl is missing; KUBECTL can name one" >&2; exit 1; }

# One line per pod: node, pod, uid of its controller. Only the DaemonSet's own pods are asked.
uid=$("$kubectl" -n "$namespace" get daemonset "$name" -o 'jsonpath={.metadata.uid}')
pods=$("$kubectl" -n "$namespace" get pods -l "app.kubernetes.io/name=$name" --field-selector=status.phase=Running \
  -o 'jsonpath={range .items[*]}{.spec.nodeName}{" "}{.metadata.name}{" "}{.metadata.ownerReferences[?(@.controller==true)].uid}{"\n"}{end}' |
  sort | awk -v uid="$uid" '$3 == uid { print $1, $2 }')
[ -n "$pods" ] || { echo "DaemonSet $namespace/$name has no running pod" >&2; exit 1; }

failed=0
while read -r node pod; do
  echo "== $node"
  "$kubectl" -n "$namespace" exec "$pod" -c exporter -- /exporter get --hash=false </dev/null || {
    echo "node $node: the extractor did not answer" >&2
    failed=1
  }
done <<EOT
$pods
EOT
exit "$failed"
