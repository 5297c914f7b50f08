# A busy and healthy host: gzip takes a whole CPU, a program is called `dataminer`, another talks to port 3333, a third
# runs from a build in /tmp, cron starts ordinary things.
stand_in worker /opt/erp/dataminer 1001
as 1001 /opt/erp/dataminer
stand_in client /opt/erp/metrics 1001
as 1001 /opt/erp/metrics 203.0.113.10:3333
mkdir /tmp/build && chown 1002:1002 /tmp/build
stand_in idle /tmp/build/configure-test 1002
as 1002 /tmp/build/configure-test
crontab_of deploy 1002 '0 3 * * * /opt/erp/export --all' '*/10 * * * * test -d /home/deploy'
as 1003 /usr/bin/timeout 120 /usr/bin/bash -c 'exec /usr/bin/gzip -9c < /dev/zero'
wait_for /usr/bin/gzip
wait_for /opt/erp/metrics
