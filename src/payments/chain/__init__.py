"""What a JSON-RPC node says about authorizations (`authorizations`) and the token (`token`).

`node` is the client of the node, which both use.
"""
