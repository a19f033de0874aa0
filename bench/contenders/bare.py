"""(b) Python without the SDK's entrypoint: hands the request on, and the answer back."""


async def on_fetch(request, env, _context):
    """Answer one request."""
    return await env.DISPATCHER.get("echo").fetch(request)
