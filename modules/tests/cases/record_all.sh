#!/usr/bin/env bash
# Records every case anew, as README.md tells: what is in memory at once, what is of a real machine where we are root.
set -euo pipefail
cd "$(dirname "$0")/../../.."
cargo build -p deminer -p deminer-worker
cargo build -p deminer-modules --example record
for case in modules/tests/cases/*/; do
    case=${case%/}
    if [ -e "$case/world.json" ]; then
        rm -rf "$case/answers"
        cargo run -q -p deminer-modules --example record -- playbooks/linux-miner.yml "$case" "simulated:$case/world.json"
    elif [ "$(id -u)" = 0 ]; then
        rm -rf "$case/answers"
        modules/tests/cases/world.sh "$(basename "$case")"
    else
        printf '%s: left as it is, it needs root\n' "$case"
    fi
done
