"""The delivery ledger's tables and its two longer questions, as SQLite reads them.

Belongs here: SQL. Does not belong here: what it is asked for (`outbox`).
"""

SCHEMA = """
create table if not exists deliveries (
    idempotency_key text primary key,
    alert_id text not null, subject text not null, rule text not null, severity text not null,
    transition text not null, level integer not null, at text not null, known_at text not null,
    stale_after_s real not null, opened_at text not null, covers_until text not null,
    contact_id text not null, channel text not null, time_zone text not null, detail text not null,
    enqueued_at text not null
) strict;
create index if not exists deliveries_by_subject on deliveries (subject, rule, transition, level, contact_id);
create index if not exists deliveries_by_alert on deliveries (alert_id);
create table if not exists events (
    id integer primary key,
    idempotency_key text not null references deliveries,
    at text not null, state text not null, attempt integer not null,
    next_attempt_at text, fresh_from text, detail text not null
) strict;
create index if not exists events_by_key on events (idempotency_key, id);
create table if not exists notes (
    id integer primary key, alert_id text not null, at text not null, kind text not null, until text
) strict;
create index if not exists notes_by_alert on notes (alert_id, kind, id);
create view if not exists latest as
    select d.*, e.id as event_id, e.at as state_at, e.state, e.attempt, e.next_attempt_at, e.fresh_from,
           e.detail as state_detail
    from deliveries d join events e on e.id = (
        select max(id) from events where idempotency_key = d.idempotency_key);
create trigger if not exists deliveries_keep before update on deliveries
    begin select raise(abort, 'the delivery ledger is append-only'); end;
create trigger if not exists deliveries_stay before delete on deliveries
    begin select raise(abort, 'the delivery ledger is append-only'); end;
create trigger if not exists events_keep before update on events
    begin select raise(abort, 'the delivery ledger is append-only'); end;
create trigger if not exists events_stay before delete on events
    begin select raise(abort, 'the delivery ledger is append-only'); end;
create trigger if not exists notes_keep before update on notes
    begin select raise(abort, 'the delivery ledger is append-only'); end;
create trigger if not exists notes_stay before delete on notes
    begin select raise(abort, 'the delivery ledger is append-only'); end;
"""

SAME_AS = "same time as "
_BEGINNING = "replace(replace({}, 'CONTINUES', 'OPENED'), 'RAISED', 'OPENED')"
TWIN = f"""
    select told.idempotency_key as told_by
    from latest other join latest told on told.idempotency_key = case
        when other.state = 'SUPPRESSED_DUPLICATE' and :transition = 'CONTINUES'
        then substr(other.state_detail, {len(SAME_AS) + 1}) else other.idempotency_key end
    where other.subject = :subject and other.rule = :rule
      and {_BEGINNING.format("other.transition")} = {_BEGINNING.format(":transition")}
      and other.level = :level and other.contact_id = :contact_id and other.alert_id <> :alert_id
      and told.state in ('PENDING', 'SENT') and (told.severity = 'critical' or :severity <> 'critical')
      and other.opened_at <= :covers_until and other.covers_until >= :opened_at
    order by other.opened_at, other.idempotency_key
"""
"""What already tells the same: for a critical page only another critical one, which no quiet hours hold."""

OUTDONE = """
    select * from latest
    where state = 'PENDING' and severity <> 'critical' and subject = :subject and rule = :rule
      and (alert_id = :alert_id or (opened_at <= :covers_until and covers_until >= :opened_at))
"""
"""What waits about the alert of a critical page as if it were less."""

LADDERS = """
    select d.alert_id from deliveries d join notes n on n.alert_id = d.alert_id and n.kind = 'CRITICAL'
    where d.opened_at >= ? and d.severity = 'critical'
    group by d.alert_id order by min(d.opened_at), d.alert_id
"""

REFERENCE_FROM = len(SAME_AS) + 1
NAMES = """
    select :id as alert_id
    union select other.alert_id from latest own join deliveries other
        on own.alert_id = :id and own.state = 'SUPPRESSED_DUPLICATE'
        and other.idempotency_key = substr(own.state_detail, :from)
    union select other.alert_id from deliveries own join latest other
        on own.alert_id = :id and other.state = 'SUPPRESSED_DUPLICATE' and other.subject = own.subject
        and own.idempotency_key = substr(other.state_detail, :from)
"""
"""An alert's ids: its own, those whose duplicate it is, and those of its duplicates."""
