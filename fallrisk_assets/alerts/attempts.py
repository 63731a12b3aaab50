"""One page's turn: whether it may still leave, whether now, and what became of it.

Belongs here: staleness, quiet hours, retries, and what one message that cannot be sent costs: itself. Does
not belong here: the ledger (`outbox`) and how a message leaves (`channels`).
"""

import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from fallrisk_assets.alerts.channels import Channel, PermanentFailure, TransientFailure
from fallrisk_assets.alerts.contacts import Contact
from fallrisk_assets.alerts.notifications import Page, message_of
from fallrisk_assets.alerts.rules import RULES

logger = logging.getLogger(__name__)

PENDING, SENT, FAILED = "PENDING", "SENT", "FAILED"
SUPPRESSED_STALE, SUPPRESSED_DUPLICATE, WITHDRAWN = "SUPPRESSED_STALE", "SUPPRESSED_DUPLICATE", "WITHDRAWN"

RETRY_FIRST = timedelta(seconds=15)
RETRY_LONGEST = timedelta(minutes=10)


@dataclass(frozen=True)
class Delivery:
    """A page in the ledger with its latest state and since when it has it."""

    page: Page
    state: str
    state_at: datetime
    attempt: int
    next_attempt_at: datetime | None
    fresh_from: datetime
    detail: str


Outcome = tuple[str, datetime | None, datetime, str]
"""State reached, next attempt (UTC), since when the page is fresh (UTC), and a detail without any address."""


def attempt(
    delivery: Delivery,
    now: datetime,
    channels: Mapping[str, Channel],
    addresses: Mapping[str, Contact],
    link: str,
) -> Outcome:
    """Send one page unless it must not or cannot be; an outage is tried again, any other fault is lasting.

    No fault is raised: what is wrong with one message (an address that no library can read, an unknown time
    zone) must not keep the others from being sent.

    Args:
        delivery: the page, and what became of it so far.
        now: current time, UTC.
        channels: by name, as in the contacts.
        addresses: contacts by id.
        link: see `message_of`.
    """
    fresh = delivery.fresh_from
    try:
        return _attempt(delivery, now, channels, addresses, link)
    except PermanentFailure as failure:
        return FAILED, None, fresh, str(failure)
    except (TransientFailure, OSError) as failure:
        wait = min(RETRY_FIRST * 2**delivery.attempt, RETRY_LONGEST)
        wish = failure.retry_after_s if isinstance(failure, TransientFailure) else None
        if wish is not None:
            wait = min(max(wait, timedelta(seconds=wish)), RETRY_LONGEST)
        # Whatever a channel did not put into words itself may quote the address.
        why = str(failure) if isinstance(failure, TransientFailure) else type(failure).__name__
        return PENDING, now + wait, fresh, f"retry: {why}"
    except Exception as error:
        # Where it broke, for whoever mends it; not what it says, which may quote the address.
        at = traceback.extract_tb(error.__traceback__)[-1]
        logger.error(
            "a page cannot be sent by %s: %s in %s, line %s of %s",
            delivery.page.channel,
            type(error).__name__,
            at.name,
            at.lineno,
            Path(at.filename).name,
        )
        return FAILED, None, fresh, f"{delivery.page.channel}: cannot be sent ({type(error).__name__})"


def _attempt(
    delivery: Delivery,
    now: datetime,
    channels: Mapping[str, Channel],
    addresses: Mapping[str, Contact],
    link: str,
) -> Outcome:
    page, fresh = delivery.page, delivery.fresh_from
    rule = RULES.get(page.rule)
    # What is critical has no quiet hours to wait for: its age is its age.
    ancient = rule and page.severity == "critical" and now - page.opened_at > rule.ceiling
    if now - fresh > page.stale_after or ancient:
        if delivery.attempt:
            return FAILED, None, fresh, f"given up after {delivery.attempt} attempts: {delivery.detail}"
        age = now - (page.opened_at if ancient else fresh)
        return SUPPRESSED_STALE, None, fresh, f"{age.total_seconds() / 60:.0f} min old when sent"
    contact = addresses.get(page.contact_id)
    if contact is None:
        return FAILED, None, fresh, "the contact is no longer on file"
    quiet_until = None if page.severity == "critical" else contact.quiet_until(now)
    if quiet_until is not None:
        return PENDING, quiet_until, quiet_until, "quiet hours"
    channel = channels.get(page.channel)
    if channel is None:
        return FAILED, None, fresh, f"no channel {page.channel} is configured"
    channel.send(message_of(page, link), contact.address)
    return SENT, None, fresh, ""
