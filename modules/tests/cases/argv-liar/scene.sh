# Somebody started the shop's own program, which no package knows, under arguments of MinerGate: whoever starts a process
# writes its arguments, and they alone condemn nothing.
stand_in worker /opt/erp/server 1001
as 1001 /usr/bin/bash -c 'exec -a "minergate-cli -user someone@example.com -xmr" /opt/erp/server'
wait_for /opt/erp/server
