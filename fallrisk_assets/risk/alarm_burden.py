"""How often the detector calls for nothing: false alarms a patient-week of simulated normal wear.

`python -m fallrisk_assets.risk.alarm_burden --patients 48 --days 21` plays the cohort simulator, which no
detector is trained on, session by session in memory. Movements that are planted because they look like falls
(a device dropped, flopping onto a bed) are counted apart: nobody drops a device six times a day. Not here:
how wear is simulated (`simulated_wear.py`), recordings of people (`benchmark.py`).
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fallrisk_assets.risk.detector import FallModel, detect_falls, released_model
from fallrisk_assets.risk.metrics import match_events, poisson_interval, wilson_interval
from fallrisk_assets.risk.simulated_wear import Wear, planted_confusers, simulated_wear

CEILING_PER_WEEK = 1.0
_DAYS_A_WEEK = 7.0
_LONGEST_STEP_US = 1_000_000
_DAY_US = 86_400e6


@dataclass(slots=True)
class Burden:
    """Counts over sessions of wear.

    Attributes:
        days: Patient-days of samples.
        alarms: Activity → false alarms during it, outside planted confusers.
        confuser_alarms: Planted confuser → false alarms during it.
        planted: Planted confuser → how often it was planted.
        falls: Kind of fall → how many.
        found: Kind of fall → how many were found.
        latest_s: Longest time from a true impact to the decision.
    """

    days: float = 0.0
    alarms: Counter[str] = field(default_factory=Counter)
    confuser_alarms: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    falls: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    latest_s: float = 0.0

    @property
    def per_week(self) -> float:
        """False alarms a patient-week of wear, outside planted confusers."""
        return self.alarms.total() * _DAYS_A_WEEK / self.days if self.days else float("nan")

    @property
    def per_week_interval(self) -> tuple[float, float]:
        """95 % interval of `per_week`, alarms taken as a Poisson process."""
        if not self.days:
            return 0.0, float("inf")
        low, high = poisson_interval(self.alarms.total())
        return low * _DAYS_A_WEEK / self.days, high * _DAYS_A_WEEK / self.days

    def add(self, wear: Wear, model: FallModel, confusers: Sequence[str]) -> None:
        """Judge one session and count."""
        stream = wear.stream
        events = detect_falls(
            stream.ts_us, stream.accel_g, stream.gyro_dps, stream.position, model, at_end=True
        )
        matching = match_events([t for t, _ in wear.falls], [e.impact_us for e in events])
        step = stream.ts_us[1:] - stream.ts_us[:-1]
        self.days += float(step[step <= _LONGEST_STEP_US].sum()) / _DAY_US
        self.falls.update(kind for _, kind in wear.falls)
        self.planted.update(name for _, _, name in wear.activities if name in confusers)
        for i, j in matching.hits:
            at, kind = wear.falls[i]
            self.found[kind] += 1
            self.latest_s = max(self.latest_s, (events[j].decided_us - at) * 1e-6)
        for j in matching.false_alarms:
            name = wear.activity_at(events[j].impact_us)
            (self.confuser_alarms if name in confusers else self.alarms)[name] += 1

    def lines(self) -> list[str]:
        """Printed lines."""
        low, high = self.per_week_interval
        n = self.alarms.total()
        lines = [
            f"{self.days:.1f} patient-days: {n} false alarms = {self.per_week:.3f} [{low:.3f}, {high:.3f}] a "
            f"patient-week (ceiling {CEILING_PER_WEEK:g})",
            *(f"  during {name:<20} {count}" for name, count in sorted(self.alarms.items())),
            "planted confusers, apart:",
        ]
        lines += [
            f"  {name:<20} {self.confuser_alarms[name]} alarms, planted {planted} times"
            for name, planted in sorted(self.planted.items())
        ]
        if self.falls:
            found, all_falls = self.found.total(), self.falls.total()
            a, b = wilson_interval(found, all_falls)
            lines.append(
                f"falls: {found} of {all_falls} found, {found / all_falls:.3f} [{a:.3f}, {b:.3f}], decided "
                f"at most {self.latest_s:.2f} s after the true impact"
            )
            lines += [
                f"  {kind:<20} {self.found[kind]} of {count}" for kind, count in sorted(self.falls.items())
            ]
        return lines


def alarm_burden(sessions: Iterable[Wear], model: FallModel) -> Burden:
    """Judge sessions of wear, one after the other in bounded memory.

    Args:
        sessions: From :func:`simulated_wear.simulated_wear`.
        model: The detector's numbers.
    """
    burden, confusers = Burden(), planted_confusers()
    for wear in sessions:
        burden.add(wear, model, confusers)
    return burden


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the burden; exit code 1 where it is above the ceiling."""
    parser = argparse.ArgumentParser(description="Count false alarms in simulated wear.")
    parser.add_argument("--patients", type=int, default=48, help="simulated people (48)")
    parser.add_argument("--days", type=int, default=21, help="days of each (21)")
    parser.add_argument("--hours", type=float, default=24.0, help="hours of wear a day (24)")
    parser.add_argument("--rate-hz", type=float, default=50.0, help="sampling rate (50)")
    parser.add_argument("--seed", type=int, default=20_260_131, help="decides everything")
    parser.add_argument("--falls-per-day", type=float, default=0.0, help="mean of a pre-frail person (0)")
    parser.add_argument("--position", help="where all wear the device; by default as the simulator draws it")
    options = parser.parse_args(arguments)
    sessions = simulated_wear(
        options.patients,
        options.days,
        rate_hz=options.rate_hz,
        hours=options.hours,
        seed=options.seed,
        falls_per_day=options.falls_per_day,
        position=options.position,
    )
    model = released_model()
    burden = alarm_burden(sessions, model)
    print(
        f"{model.version}: {options.patients} people, {options.days} days of {options.hours:g} h at "
        f"{options.rate_hz:g} Hz, {options.position or 'positions as drawn'}, seed {options.seed}"
    )
    print("\n".join(burden.lines()))
    return 0 if burden.per_week <= CEILING_PER_WEEK else 1


if __name__ == "__main__":
    sys.exit(main())
