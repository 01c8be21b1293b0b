"""Builds the parts of the authorizer. It needs two settings, and starts before every request of an idle deployment."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from imagegen.access import issuer
from imagegen.access.authentication import Authenticator
from imagegen.aws.callers import DynamoCallers
from imagegen.settings import AuthorizerSettings
from imagegen.wiring import epoch_ms

if TYPE_CHECKING:
    from imagegen.access.ports import Clock, KeySetSource
    from imagegen.access.token import TokenVerifier


class AuthorizerContainer:
    """Everything the authorizer needs. Each part is built once, when first used; a test can assign a replacement first.

    Raises pydantic.ValidationError or ValueError for invalid issuers, which fails the deployment, not a request.
    """

    def __init__(self, settings: AuthorizerSettings):
        self.settings = settings
        self.issuers = issuer.parse(settings.token_issuers)
        self.clock: Clock = epoch_ms

    @classmethod
    def from_environment(cls) -> AuthorizerContainer:
        """Return a container for the environment's settings, with all parts: Lambda's init phase has the most CPU."""
        made = cls(AuthorizerSettings())
        _ = made.authenticator
        return made

    @cached_property
    def authenticator(self) -> Authenticator:
        """Finds callers."""
        return Authenticator(DynamoCallers(self.settings.table_name, self.clock), self.tokens, self.clock)

    @cached_property
    def tokens(self) -> TokenVerifier | None:
        """Verifies tokens, or None if no issuer is trusted: cryptography is not imported then."""
        if not self.issuers:
            return None
        from imagegen.access.token import TokenVerifier
        from imagegen.aws.key_sets import DynamoKeySets

        shared = DynamoKeySets(self.settings.table_name, self.clock)
        return TokenVerifier(self.issuers, self.key_sets, shared, self.clock)

    @cached_property
    def key_sets(self) -> KeySetSource:
        """Where the issuers' keys come from."""
        from imagegen.access.issuer_http import HttpsKeySets

        return HttpsKeySets()
