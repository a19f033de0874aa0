"""(c) The SDK's entrypoint, and nothing else: hands the request on, and the answer back."""

from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    """What Cloudflare calls."""

    async def fetch(self, request):
        """Answer one request."""
        return await self.env.DISPATCHER.get("echo").fetch(request)
