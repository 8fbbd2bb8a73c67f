#!/bin/sh
# One worker on a plain host. Pass the same list of workers on every host, and its own index:
#   sh tf_config.sh 0 10.0.0.1:2222 10.0.0.2:2222     (on the first host, the chief)
#   sh tf_config.sh 1 10.0.0.1:2222 10.0.0.2:2222     (on the second)
# Change: the command at the end. WORKDIR is on a file system that all hosts share.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: [WORKDIR=DIR] sh tf_config.sh INDEX HOST:PORT HOST:PORT ..." >&2
    exit 2
fi
index=$1
shift
workers=$(printf '"%s", ' "$@")
TF_CONFIG="{\"cluster\": {\"worker\": [${workers%, }]}, \
\"task\": {\"type\": \"worker\", \"index\": $index}}"
export TF_CONFIG

exec python -m trainers --strategy=multi_worker --recipe=dcgan_fashion_mnist \
    --workdir="${WORKDIR:-runs/dcgan_fashion_mnist}"
