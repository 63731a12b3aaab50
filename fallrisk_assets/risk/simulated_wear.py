"""Simulated wear in memory: streams with their truth, without a drop being written.

For measuring only (transfers, alarm burden): the detector is never trained on the cohort simulator. The
simulator is imported when it is asked for, never by the product. Not here: how an alarm is counted.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from fallrisk_assets.risk.streams import Stream

_START = dt.date(2026, 1, 5)


@dataclass(frozen=True, slots=True, eq=False)
class Wear:
    """One session of one wearer.

    Attributes:
        stream: The samples.
        falls: (impact_us, kind).
        activities: (start_us, end_us, activity), `[start, end)`.
    """

    stream: Stream
    falls: list[tuple[int, str]]
    activities: list[tuple[int, int, str]]

    def activity_at(self, time_us: int) -> str:
        """What was done at a time; of activities within each other the one that began last."""
        names = [name for start, end, name in self.activities if start <= time_us < end]
        return names[-1] if names else "unlabelled"


def planted_confusers() -> tuple[str, ...]:
    """Activities that the simulator plants because they look like falls."""
    from simulator.falls import CONFUSERS

    return CONFUSERS


def simulated_wear(
    patients: int,
    days: int,
    *,
    rate_hz: float,
    hours: float,
    seed: int,
    falls_per_day: float = 0.0,
    falls: int | None = None,
    position: str | None = None,
) -> Iterator[Wear]:
    """Play sessions of a simulated cohort, one after the other.

    Args:
        patients: Wearers; their phenotypes and positions follow the simulator's mix.
        days: Sessions of each.
        rate_hz: Sampling rate.
        hours: Wear a day.
        seed: Decides everything.
        falls_per_day: Mean of a pre-frail person in 16 h.
        falls: Falls of every session instead.
        position: Where all wear the device instead.
    """
    from simulator.devices import plan_cohort
    from simulator.windows import rehearse, samples_of

    plan = plan_cohort(patients, days, rate_hz, seed, _START, (hours,), falls_per_day)
    for session in plan.sessions:
        where = position or session.position
        day_plan = replace(session.plan, position=where)
        if falls is not None:
            day_plan = replace(day_plan, falls=falls)
        session = replace(session, position=where, plan=day_plan)
        line = rehearse(session)
        accel, gyro = samples_of(session, 0, session.samples)
        start_us = session.start_ms * 1000
        gyro_dps = gyro.astype(np.float32) * np.float32(1e-2)
        stream = Stream(
            session.device_id,
            session.wearer.patient_id,
            where,
            session.ts_ms(0, session.samples) * 1000,
            accel.astype(np.float32) * np.float32(1e-4),
            gyro_dps if session.wearer.has_gyro else np.full_like(gyro_dps, np.nan),
        )
        yield Wear(
            stream,
            [(start_us + int(f.impact_s * 1e6), f.kind) for f in line.falls],
            [
                (start_us + int(a.start_s * 1e6), start_us + int(a.end_s * 1e6), a.activity)
                for a in line.activities
            ],
        )
