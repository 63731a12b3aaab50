"""Where the scheduling API is.

Here: settings. Not here: how it is asked (`client.py`), the pull (`pull.py`).
"""

import os
import time
from collections.abc import Callable, Mapping

import dagster as dg

from fallrisk_assets.clinic.scheduling.client import Politeness, SchedulingApi
from fallrisk_assets.lake.s3 import Misconfigured
from fallrisk_assets.secrets import revealed

RESOURCE = "scheduling_api"
URL_VARIABLE = "FALLRISK_SCHEDULING_URL"
TOKEN_VARIABLE = "FALLRISK_SCHEDULING_TOKEN"


class SchedulingSource(dg.ConfigurableResource):
    """Where the scheduling API is.

    Attributes:
        url: Address with its version; empty: `FALLRISK_SCHEDULING_URL`, and where that is not set, there is
            no such source.
        token: Bearer token, or a reference to it; empty: `FALLRISK_SCHEDULING_TOKEN`, else none.
        timeout_s, retries, requests_per_s: see `Politeness`.
    """

    url: str = ""
    token: str = ""
    timeout_s: float = 10.0
    retries: int = 5
    requests_per_s: float = 10.0

    def api(
        self,
        variables: Mapping[str, str] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> SchedulingApi:
        """Return whom to ask.

        Args:
            variables: Those of the environment by default.
            sleep: Waits for so many seconds.

        Raises:
            Misconfigured: there is no address, it is none, or the token is not where the reference says.
            ValueError: with such settings nobody can ask.
            SecretsUnavailable: the store of secrets does not answer for the moment.
        """
        politeness = Politeness(self.timeout_s, self.retries, requests_per_s=self.requests_per_s)
        known = os.environ if variables is None else variables
        url = self.url or known.get(URL_VARIABLE, "")
        if not url:
            raise Misconfigured(RESOURCE, URL_VARIABLE, "is not set")
        token = revealed(self.token or known.get(TOKEN_VARIABLE, ""), RESOURCE, TOKEN_VARIABLE)
        try:
            return SchedulingApi(url, token, politeness, sleep)
        except ValueError as wrong:
            raise Misconfigured(RESOURCE, URL_VARIABLE, str(wrong)) from None
