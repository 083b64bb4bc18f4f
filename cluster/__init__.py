"""The pure domain: cluster files, rules, facts and plans. No I/O, no Prefect, no paramiko, no clock."""
