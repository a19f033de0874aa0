"""KV and D1 of the running dispatcher, through the explorer API that `wrangler dev` serves."""
