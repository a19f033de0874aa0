"""Commands about published APIs: `listing`, `show` and `logs`; `problems` says what is wrong."""
