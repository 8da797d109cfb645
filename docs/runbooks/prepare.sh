# What every runbook needs. Source it from the root of the clone, in bash or sh:
#
#   . docs/runbooks/prepare.sh                                  the local platform (npm start)
#   NAMESPACE=posthorn; . docs/runbooks/prepare.sh              Kubernetes, by the current context of kubectl
#
# The semicolon matters: without it bash forgets NAMESPACE after this line, and the commands of the runbooks need it.
#
# The local platform's folder is .posthorn unless POSTHORN_DATA says otherwise; the release is posthorn unless RELEASE does.
# Sets POSTHORN_URL and OPERATOR_KEY (whichever is set already is kept), and the functions below.

if [ -n "${NAMESPACE:-}" ]; then
  if [ -z "${POSTHORN_URL:-}" ]; then
    kubectl -n "$NAMESPACE" port-forward "service/${RELEASE:-posthorn}-api" 18080:http >/dev/null &
    sleep 3
    POSTHORN_URL=http://127.0.0.1:18080
  fi
  OPERATOR_KEY=${OPERATOR_KEY:-$(kubectl -n "$NAMESPACE" get secret "${RELEASE:-posthorn}-operator-key" \
    -o 'jsonpath={.data.operator-key}' | base64 -d)}
else
  local_value() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "${POSTHORN_DATA:-.posthorn}/local.json"; }
  POSTHORN_URL=${POSTHORN_URL:-$(local_value apiUrl)}
  OPERATOR_KEY=${OPERATOR_KEY:-$(local_value operatorKey)}
fi
export POSTHORN_URL OPERATOR_KEY

# api METHOD PATH [BODY]: prints the answer; fails when it is not 2xx.
api() {
  curl -sS --fail-with-body --max-time 35 -X "$1" "$POSTHORN_URL$2" \
    -H "authorization: Bearer $OPERATOR_KEY" -H 'content-type: application/json' ${3:+--data "$3"}
  api_status=$?
  echo
  return $api_status
}

# wait_for SECONDS COMMAND: repeats it until it succeeds; fails, and says so, when the time is over.
wait_for() {
  wait_tries=$(($1 * 2))
  shift
  until eval "$*"; do
    wait_tries=$((wait_tries - 1))
    if [ "$wait_tries" -le 0 ]; then
      echo "still not so: $*" >&2
      return 1
    fi
    sleep 0.5
  done
}

# is_well STAGE: nothing is wrong with a stage of the overview. depth STAGE: what waits there.
is_well() { api GET /v1/overview 2>/dev/null | grep -q "\"stage\":\"$1\"[^}]*\"wrong\":\[\]"; }
depth() { api GET /v1/overview | sed -n "s/.*\"stage\":\"$1\"[^}]*\"depth\":\([0-9]*\),.*/\1/p"; }
