# A miner of root, looked at by somebody who is not root: the kernel does not tell what the others run, nor what their
# crontabs hold. That is no clean host.
mkdir -m 700 /tmp/.x
stand_in miner /tmp/.x/xmrig
crontab_of root 0 '* * * * * /tmp/.x/xmrig'
as 0 /tmp/.x/xmrig
wait_for /tmp/.x/xmrig
looker=1002
