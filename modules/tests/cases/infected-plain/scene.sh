# A miner whose file was unlinked, the guardian that starts it again from a copy, its crontab line, its dropper and its
# configuration. Beside it what only looks like one.
mkdir -m 700 /tmp/.x && chown 1002:1002 /tmp/.x
stand_in miner /tmp/.x/.cache 1002
stand_in guardian /tmp/.x/sysguard 1002
echo '{"pools":[{"url":"198.51.100.23:3333","user":"practice-wallet","pass":"x","keepalive":true}],"donate-level":1}' \
    > /tmp/.x/config.json
printf '#!/bin/sh\ncp /tmp/.x/.cache /tmp/.x/xmrig\nchmod 755 /tmp/.x/xmrig\n/tmp/.x/xmrig -o 198.51.100.23:3333\n' \
    > /tmp/.x/update.sh
chmod 755 /tmp/.x/update.sh
chown 1002:1002 /tmp/.x/config.json /tmp/.x/update.sh
crontab_of deploy 1002 '0 3 * * * /opt/erp/export --all' \
    '* * * * * /tmp/.x/xmrig -o 198.51.100.23:3333 >/dev/null 2>&1' '*/10 * * * * test -d /home/deploy'
as 1002 /tmp/.x/sysguard /tmp/.x/.cache /tmp/.x/xmrig -o 198.51.100.23:3333 --donate-level 1 -k

stand_in worker /opt/erp/dataminer 1001
as 1001 /opt/erp/dataminer
stand_in client /opt/erp/metrics 1001
as 1001 /opt/erp/metrics 203.0.113.10:3333
mkdir /tmp/build && chown 1002:1002 /tmp/build
stand_in idle /tmp/build/configure-test 1002
as 1002 /tmp/build/configure-test
wait_for /tmp/.x/xmrig
