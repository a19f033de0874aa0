"""What `clawr doctor` looks at: this machine, the account, and the dispatcher."""
