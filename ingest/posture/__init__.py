"""What mail domains publish about how mail is to be sent to them: DNS and the policy hosts of MTA-STS, looked at from here."""
