"""What the host sees of a running bot: doctor, health page, metrics and log."""
