"""The account and its token, which clients request before anything else."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dev.cloudflare_api.responses import paged, success

TOKEN_ID: Final = "f" * 32
USER_ID: Final = "e" * 32


class AccountRoutes:
    """The routes of the only account.

    Args:
        account_id: Its id.
        name: Its name.
    """

    def __init__(self, account_id: str, name: str) -> None:
        """Keep the arguments."""
        self._account = {
            "id": account_id,
            "name": name,
            "type": "standard",
            "settings": {},
            "created_on": "2026-01-01T00:00:00Z",
        }

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/user", self.user, methods=["GET"]),
            Route("/user/tokens/verify", self.verify, methods=["GET"]),
            Route("/accounts", self.accounts, methods=["GET"]),
            Route("/accounts/{account}", self.account, methods=["GET"]),
            Route("/accounts/{account}/tokens/verify", self.verify, methods=["GET"]),
            Route("/memberships", self.memberships, methods=["GET"]),
        ]

    async def user(self, _request: Request) -> Response:
        """Describe the token's user."""
        return success({"id": USER_ID, "email": "nobody@localhost", "organizations": []})

    async def verify(self, _request: Request) -> Response:
        """Confirm the token; the gate has checked it."""
        message = {"code": 10000, "message": "This API Token is valid and active"}
        return success({"id": TOKEN_ID, "status": "active"}, messages=[message])

    async def accounts(self, request: Request) -> Response:
        """List the accounts."""
        return paged([self._account], request)

    async def account(self, _request: Request) -> Response:
        """Describe the account."""
        return success(self._account)

    async def memberships(self, request: Request) -> Response:
        """List the accounts as memberships."""
        membership: dict[str, Any] = {
            "id": "d" * 32,
            "status": "accepted",
            "account": self._account,
            "roles": ["Administrator"],
            "permissions": {},
        }
        return paged([membership], request)
