"""Who is told next about a critical alert that nobody has acknowledged.

Belongs here: when a page counts as unanswered, and the page to the next contact. Does not belong here: what
was sent and who acknowledged (`outbox`), and the escalations of the alerts' rows (`episodes`).

An escalation counts from the page before, not from the fall: a fall that is known an hour late must not ring
every phone at once, and one that was too old for the first contact is too old for the next.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fallrisk_assets.alerts.contacts import Contact
from fallrisk_assets.alerts.notifications import Page
from fallrisk_assets.alerts.rules import ESCALATED, RULES, AlertRule


@dataclass(frozen=True)
class Ladder:
    """A critical alert that nobody has acknowledged, and how far it has come.

    Attributes:
        page: the last contact's page.
        answered_from: since when that contact could have answered, UTC: it was sent, or first tried, then.
            None: it has not been tried, or must not be sent.
        failed: whether it was given up: there is nobody to wait for.
        held_until: end of the last snooze, UTC.
    """

    page: Page
    answered_from: datetime | None
    failed: bool = False
    held_until: datetime | None = None

    def due_at(self, rules: Mapping[str, AlertRule] = RULES) -> datetime | None:
        """When the next contact is to be told, UTC; None: not as things are."""
        rule = rules.get(self.page.rule)
        if rule is None or rule.escalate_after is None or self.answered_from is None:
            return None
        due = self.answered_from if self.failed else self.answered_from + rule.escalate_after
        return max(due, self.held_until or due)

    def is_due(self, now: datetime, rules: Mapping[str, AlertRule] = RULES) -> bool:
        """Whether the next contact is to be told now."""
        due = self.due_at(rules)
        return due is not None and due <= now <= self.page.opened_at + rules[self.page.rule].ceiling


def next_pages(
    ladders: Iterable[Ladder],
    contacts: Mapping[str, Sequence[Contact]],
    fallback: Contact,
    now: datetime,
    rules: Mapping[str, AlertRule] = RULES,
) -> tuple[list[Page], list[str]]:
    """The pages to the next contacts of the ladders that are due, and the alerts that have nobody left.

    Args:
        ladders: critical alerts that nobody has acknowledged.
        contacts: contacts by wearable patient id, in order of call.
        fallback: who is told after the last contact.
        now: current time, UTC.
        rules: the rules by name.
    """
    pages, ended = [], []
    for ladder in ladders:
        if not ladder.is_due(now, rules):
            continue
        last = ladder.page
        called, level = [*contacts.get(last.subject, ()), fallback], last.level + 1
        if level >= len(called) or level > rules[last.rule].max_level:
            ended.append(last.alert_id)
            continue
        pages.append(
            replace(
                last,
                severity="critical",
                transition=ESCALATED,
                level=level,
                at=ladder.due_at(rules) or now,
                known_at=now,
                contact_id=called[level].contact_id,
                channel=called[level].channel,
            )
        )
    return pages, ended
