# The first process of a test host: makes the host's root, waits for its network, and becomes systemd.
#
# Runs in namespaces of its own. From its environment: IMAGE, the directory that all hosts share and none writes to;
# PLACE, the host's own, with `upper`, `work` and `root`; NAME and ADDRESS, which the host shall have.
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$IMAGE,upperdir=$PLACE/upper,workdir=$PLACE/work" "$PLACE/root"
cd "$PLACE/root"

# The kernel's settings are the machine's: all but those of the host's own network can only be read.
mount -t proc -o nosuid,nodev,noexec proc proc
echo "$NAME" > proc/sys/kernel/hostname
mount --bind proc/sys/net proc/sys/net
mount --rbind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
if [ -e proc/sysrq-trigger ]; then
    mount --bind proc/sysrq-trigger proc/sysrq-trigger
    mount -o remount,bind,ro proc/sysrq-trigger
fi
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup

mount -t tmpfs -o nosuid,mode=755 tmpfs dev
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/full c 1 7
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs run

# Somebody outside gives this network its cable, and then says so.
read -r _
ip link set lo up
ip address add "$ADDRESS/24" dev eth0
ip link set eth0 up
ip route add default dev eth0

pivot_root . mnt
umount -l /mnt
exec env -i container=deminer-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    setpriv --bounding-set=-sys_module,-sys_time,-sys_rawio,-mac_admin,-mac_override,-wake_alarm \
    /lib/systemd/systemd --system </dev/null >/dev/null 2>&1
