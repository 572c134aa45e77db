"""How a CRM asks the service: copy this file; it needs httpx alone.

Each question has an Idempotency-Key, so that asking again after a lost answer decides nothing twice, and
each wait for the service is as long as its Retry-After says.
"""

import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

__all__ = ["Tenure"]

_AGAIN = (429, 503, 507)


class Tenure:
    """A client of one service.

    Parameters
    ----------
    http
        `httpx.Client(base_url="https://tenure.bank.example", timeout=httpx.Timeout(5, connect=1))`.
    key
        As `tenure keys add --role crm --name NAME` printed it.
    attempts
        How often a question is sent at most.
    """

    def __init__(
        self, http: httpx.Client, key: str, attempts: int = 3, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._http, self._key, self._attempts, self._sleep = http, key, attempts, sleep

    def profile(self, customer_id: str) -> dict[str, Any]:
        """Who is on the line and what to offer; look at `status` before anything else.

        `ok` and `degraded` are answers, the latter with its `reasons`; `suppressed` has no profile, and
        `abstain` nothing.
        """
        answer = self._post("/v1/profile", {"customer_ids": [customer_id]})
        found: dict[str, Any] = answer["results"][0]
        return found

    def outcome(self, told: dict[str, Any]) -> str:
        """Tell what followed on a decision; sent again it changes nothing."""
        answer = self._post("/v1/outcomes", {"outcomes": [told]})
        return str(answer["results"][0]["status"])

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": str(uuid.uuid4())}
        for attempt in range(1, self._attempts + 1):
            try:
                answer = self._http.post(path, json=body, headers=headers)
            except httpx.TransportError:
                if attempt == self._attempts:
                    raise
                self._sleep(1)
                continue
            if answer.status_code not in _AGAIN or attempt == self._attempts:
                break
            self._sleep(float(answer.headers.get("Retry-After", "1")))
        answer.raise_for_status()  # its body is application/problem+json
        found: dict[str, Any] = answer.json()
        return found
