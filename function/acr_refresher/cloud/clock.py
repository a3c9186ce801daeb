"""How far the clock here is off the cloud's, from the Date header of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

from acr_refresher.settings import SETTINGS

ANY_CLOUD_HOST = "sts.aliyuncs.com"


class CloudClock:
    """The skew of the clock here, as last measured; positive where it is ahead of the cloud's.

    It is good to some seconds: the header has whole ones, and the answer took its time.
    """

    def __init__(self) -> None:
        self.skew: timedelta | None = None

    def read(self, headers: Mapping[str, str]) -> None:
        """Measure by an answer that came just now. One without a Date tells nothing."""
        date = {name.lower(): value for name, value in headers.items()}.get("date", "")
        try:
            told = parsedate_to_datetime(date)
        except (TypeError, ValueError):
            return
        if told.tzinfo is not None:
            self.skew = datetime.now(timezone.utc) - told

    def ask(self, local_cloud: str | None) -> None:
        """Measure by a request made for this alone: the SDK's exceptions keep no headers.

        It is not signed, so that the answer is a refusal, which has the time as well.
        """
        import requests  # noqa: PLC0415  # loaded by the SDKs

        scheme, proxies = ("http", {"http": local_cloud}) if local_cloud else ("https", None)
        try:
            with requests.get(
                f"{scheme}://{ANY_CLOUD_HOST}/",
                proxies=proxies,
                timeout=SETTINGS.clock_timeout.total_seconds(),
                allow_redirects=False,
            ) as answer:
                self.read(answer.headers)
        except requests.RequestException:
            return


def clock_words(skew: timedelta | None) -> str:
    """How the clock here stands to the cloud's, as far as that explains a refusal."""
    if skew is None or abs(skew) < SETTINGS.clock_tolerance:
        return "differs from the cloud's"
    seconds = round(abs(skew).total_seconds())
    return f"is {seconds} s {'ahead of' if skew > timedelta(0) else 'behind'} the cloud's"
