"""Who may use the server, and what each has used: keys and the ledger; quotas join them here."""
