#!/bin/sh
# Publish to Herald with curl 7.84 or newer.
# HERALD_URL=http://localhost:1055 HERALD_KEY=… sh publish.sh
set -eu

TRIES=6 # with the waits between them less than the 5 minutes that Herald knows a key of a call
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

call() { # call PATH JSON: POST it and print the answer; what is sent several times is published once
    key=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
    attempt=1
    while :; do
        : >"$answer"
        told=$(curl --silent --show-error --max-time 10 --output "$answer" \
            --write-out '%{http_code} %header{retry-after}' \
            --header "Authorization: Bearer $HERALD_KEY" --header 'Content-Type: application/json' \
            --header "Idempotency-Key: $key" --data "$2" "$HERALD_URL$1") || told="000 "
        case ${told%% *} in
            2??) cat "$answer" && echo && return ;;
            000 | 408 | 409 | 429 | 500 | 502 | 503 | 504) ;; # not reached, or for a while only
            *) cat "$answer" >&2 && return 1 ;;
        esac
        [ "$attempt" -lt "$TRIES" ] || { cat "$answer" >&2 && return 1; }
        wait=$((1 << (attempt - 1)))
        retry_after=${told#* }
        [ "${retry_after:-0}" -le "$wait" ] || wait=$retry_after
        [ "$wait" -le 30 ] || wait=30
        sleep "$wait"
        attempt=$((attempt + 1))
    done
}

order='{"event": "order.created", "room": "orders", "data": {"orderId": "cfa3f520"}}'
call /events "$order"
paid='{"event": "order.paid", "room": "orders", "data": {"paymentId": "9b93e1a0"}}'
call /events/batch "{\"events\": [$order, $paid]}" # an answer for each: an id, or an error
