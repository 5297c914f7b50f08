# A person is already at work: the responder's own tool, unpacked in /tmp and known to no package, was started with the
# miner's path. An argument names what is looked at; it does not make the tool the miner's guardian.
mkdir -m 700 /tmp/.x && chown 1002:1002 /tmp/.x
stand_in miner /tmp/.x/xmrig 1002
as 1002 /tmp/.x/xmrig -o 198.51.100.23:3333 --donate-level 1 -k
mkdir /tmp/triage
stand_in idle /tmp/triage/scan
as 0 /tmp/triage/scan --file /tmp/.x/xmrig
wait_for /tmp/.x/xmrig
wait_for /tmp/triage/scan
