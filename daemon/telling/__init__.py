"""How the daemon is: metrics, probes, status page, logs, systemd, and the table in the terminal."""
