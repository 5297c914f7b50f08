#!/usr/bin/env bash
# Records a case of a real machine anew, or every case, those of machines in memory too:
# modules/tests/cases/world.sh CASE | --all
#
# Makes a private world on this machine (namespaces of its own, a root in memory, the machine's /usr to be read only),
# plays CASE/scene.sh in it, and looks. Beside the world stands a host with a pool and an honest server. As root, on a
# Debian machine, with `cargo build -p deminer -p deminer-worker` and `cargo build -p deminer-modules --example record`
# done before. All of it ends with this program; nothing of the machine is changed.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

# The host beside the world, with the addresses of the pool and of the honest server (RFC 5737).
elsewhere() {
    until ip link show out >/dev/null 2>&1; do sleep 0.05; done
    ip addr add 198.51.100.23/32 dev out
    ip addr add 203.0.113.10/32 dev out
    ip link set out up
    ip route add 192.0.2.10/32 dev out
    exec perl -MIO::Socket::INET -MIO::Select -e '
        my $listener = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => 3333, Listen => 16) or die;
        my $ready = IO::Select->new($listener);
        while (1) { for my $one ($ready->can_read) {
            if ($one == $listener) { $ready->add(scalar $listener->accept); next }
            if (!sysread $one, my $said, 4096) { $ready->remove($one); close $one }
        } }'
}

# The network of the world and the host beside it; then the world, of which the answers come back.
outside() {
    local case=$1 tools=$2 root
    root=$(mktemp -d)
    unshare --net bash "$0" --elsewhere </dev/null >/dev/null &
    local beside=$!
    trap "kill $beside; rmdir '$root'" EXIT
    while [ "$(readlink /proc/$beside/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
    ip link set lo up
    ip link add eth0 type veth peer name out netns "$beside"
    ip addr add 192.0.2.10/24 dev eth0
    ip link set eth0 up
    ip route add default dev eth0
    # What the world's programs hold open are pipes: no name of this machine gets into an answer.
    unshare --mount --pid --uts --ipc --cgroup --fork --kill-child bash "$0" --inside "$root" "$case" "$tools" \
        </dev/null 2> >(cat >&2) | tar -C "$case" -xf -
}

# The world's root.
furnish() {
    local root=$1 case=$2 tools=$3
    mount --make-rprivate /
    mount -t tmpfs -o nosuid,nodev,mode=0755,size=1g web-3 "$root"
    cd "$root"
    mkdir -p etc/cron.d usr proc dev/shm tmp var/tmp var/lib/dpkg var/spool/cron/crontabs run root home/deploy \
        opt/deminer opt/erp srv/db srv/backup case .machine
    chmod 1777 tmp var/tmp dev/shm
    chmod 1730 var/spool/cron/crontabs
    mount --rbind /usr usr && mount -o remount,bind,ro usr
    # What this very machine starts by itself is no case's business.
    for directory in local lib/python3/dist-packages lib/udev/rules.d share/dbus-1 lib/binfmt.d lib/sysctl.d \
        lib/modprobe.d lib/modules-load.d lib/pam.d lib/environment.d lib/systemd; do
        [ ! -d "usr/$directory" ] || mount -t tmpfs -o ro,nosuid,nodev,size=4k none "usr/$directory"
    done
    mount --bind /var/lib/dpkg var/lib/dpkg && mount -o remount,bind,ro var/lib/dpkg
    for directory in bin sbin lib lib64; do [ -L "/$directory" ] && cp -d "/$directory" .; done
    for device in null zero urandom; do touch dev/$device && mount --bind /dev/$device dev/$device; done
    printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'erp:x:1001:1001:shop:/opt/erp:/usr/sbin/nologin' \
        'deploy:x:1002:1002:deploy:/home/deploy:/bin/bash' 'db:x:1003:1003:database:/srv/db:/usr/sbin/nologin' > etc/passwd
    printf '%s\n' 'root:!:20000::::::' 'erp:!:20000::::::' 'deploy:*:20000::::::' 'db:!:20000::::::' > etc/shadow
    chmod 600 etc/shadow
    echo 0f00d0000000000000000000deadbeef > etc/machine-id
    printf 'SHELL=/bin/sh\n17 *\t* * *\troot\tcd / && true\n' > etc/crontab
    cp /etc/os-release etc/os-release
    chown -R 1001:1001 opt/erp && chown -R 1002:1002 home/deploy && chown -R 1003:1003 srv/db
    cp "$tools/deminer-worker" opt/deminer/
    mkdir opt/deminer/examples && cp "$tools/examples/record" opt/deminer/examples/
    strip -o opt/deminer/stand-in "$tools/deminer"
    cp -r "$here/../../../playbooks" opt/deminer/playbooks
    cp "$case/scene.sh" "$here/world.sh" opt/deminer/
    mount -t proc -o nosuid,nodev,noexec proc proc
    pivot_root . .machine
    cd /
    umount -l /.machine
    rmdir /.machine
    hostname web-3
}

# What scenes are made of. `stand_in PART PATH [OWNER]`: a harmless program, see `src/demo/stand_in.rs`.
stand_in() {
    cp /opt/deminer/stand-in "$2"
    printf '%-96s' "$(printf '\nDEMINER-STAND-IN %s %s %s' "$1" "$(date +%s)" "$RANDOM$RANDOM")" >> "$2"
    chmod 755 "$2"
    chown "${3:-0}:${3:-0}" "$2"
}

# `as UID COMMAND...`: in a session of its own, as a service would be.
as() {
    local uid=$1
    shift
    setsid setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@" </dev/null >/dev/null 2>&1 &
}

# `crontab_of USER UID LINE...`
crontab_of() {
    local file=/var/spool/cron/crontabs/$1 uid=$2
    shift 2
    printf '%s\n' "$@" > "$file"
    chown "$uid:0" "$file"
    chmod 600 "$file"
}

# Waits until something runs what was at that path.
wait_for() {
    for _ in $(seq 100); do
        for exe in /proc/[0-9]*/exe; do
            case $(readlink "$exe" 2>/dev/null) in "$1"*) return 0 ;; esac
        done
        sleep 0.1
    done
    echo "nothing runs $1" >&2
    return 1
}

# Plays the scene and looks at it, as the user that the scene names.
play() {
    looker=0
    . /opt/deminer/scene.sh
    chown "$looker" /case
    setpriv --reuid="$looker" --regid="$looker" --clear-groups -- \
        /opt/deminer/examples/record /opt/deminer/playbooks/linux-miner.yml /case </dev/null >/dev/null
    tar -C /case -cf - answers
}

case ${1:-} in
--elsewhere) elsewhere ;;
--outside) outside "$2" "$3" ;;
--inside)
    furnish "$2" "$3" "$4"
    exec bash /opt/deminer/world.sh --play
    ;;
--play) play ;;
--all)
    for scene in "$here"/*/scene.sh; do "$0" "$(basename "$(dirname "$scene")")"; done
    for world in "$here"/*/world.json; do
        rm -rf "$(dirname "$world")/answers"
        "$here/../../../target/x86_64-unknown-linux-gnu/debug/examples/record" "$here/../../../playbooks/linux-miner.yml" \
            "$(dirname "$world")" "simulated:$world"
    done
    ;;
*)
    case=$here/${1:?which case?}
    [ -f "$case/scene.sh" ] || { echo "no $case/scene.sh" >&2; exit 2; }
    rm -rf "$case/answers"
    unshare --net bash "$0" --outside "$case" "$here/../../../target/x86_64-unknown-linux-gnu/debug"
    ;;
esac
