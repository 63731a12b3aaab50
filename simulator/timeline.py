"""The score that a device plays: segments of motion in sample indices, and what really happened (truth).

What belongs here: the segment record that the compiled kernel reads, and the builder that lays segments end
to end. What does not: deciding what a person does (`day`, `falls`).
"""

from dataclasses import dataclass, field

import numpy as np

from simulator.gait import Steps

(
    NON_WEAR,
    REST,
    WALK,
    STAIRS_UP,
    STAIRS_DOWN,
    TRANSITION,
    FALL,
    NEAR_FALL,
    JUMP,
    CLAP,
    SIT_HARD,
    DEVICE_DROP,
) = range(12)

SEGMENT = np.dtype(
    [
        ("kind", "i8"),
        ("start_s", "f8"),
        ("end_s", "f8"),
        ("pitch0", "f8"),
        ("roll0", "f8"),
        ("pitch1", "f8"),
        ("roll1", "f8"),
        ("yaw0", "f8"),
        ("yaw1", "f8"),
        ("axial0", "f8"),
        ("axial1", "f8"),
        ("first_step", "i8"),
        ("bout_first", "i8"),
        ("bout_last", "i8"),
        ("impact_s", "f8"),
        ("peak_g", "f8"),
        ("free_fall_s", "f8"),
        ("depth_g", "f8"),
        ("width_s", "f8"),
        ("sway", "f8"),
        ("lift_g", "f8"),
        ("phase", "f8"),
    ]
)

STANDING, SITTING, LYING = "standing", "sitting", "lying"


@dataclass(frozen=True)
class Activity:
    """What happened, in seconds from the start of the session."""

    activity: str
    start_s: float
    end_s: float
    steps: int = 0
    cadence_spm: float | None = None
    stride_time_s: float | None = None
    stride_time_cv: float | None = None


@dataclass(frozen=True)
class Fall:
    """A true fall, in seconds from the session's start; `lying_s` counts from the impact to getting up."""

    kind: str
    onset_s: float
    impact_s: float
    recovered: bool
    lying_s: float
    peak_g: float


@dataclass
class Timeline:
    """Lays segments end to end for a session of `length_s` at `rate_hz`; keeps posture and heading."""

    length_s: float
    rate_hz: float
    rng: np.random.Generator
    tilt: dict[str, tuple[float, float]]
    posture: str = SITTING
    now_s: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    yaw: float = 0.0
    axial: float = 0.0
    segments: list[tuple] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    falls: list[Fall] = field(default_factory=list)
    step_times: list[np.ndarray] = field(default_factory=list)
    step_strength: list[np.ndarray] = field(default_factory=list)
    step_count: int = 0

    def __post_init__(self) -> None:
        """Start in the first posture."""
        self.pitch, self.roll = self.tilt[self.posture]

    @property
    def left_s(self) -> float:
        """Seconds that are still free."""
        return self.length_s - self.now_s

    def add(self, kind: int, duration_s: float, label: str | None = None, **values: float) -> float:
        """Append a segment (rounded to whole samples) and, with a label, its truth; returns its start."""
        duration_s = max(1, round(duration_s * self.rate_hz)) / self.rate_hz
        start = self.now_s
        end = round((start + duration_s) * self.rate_hz) / self.rate_hz
        row = {
            "kind": kind,
            "start_s": start,
            "end_s": end,
            "pitch0": self.pitch,
            "roll0": self.roll,
            "pitch1": self.pitch,
            "roll1": self.roll,
            "yaw0": self.yaw,
            "yaw1": self.yaw,
            "axial0": self.axial,
            "axial1": self.axial,
            "sway": 1.0,
            "width_s": 0.06,
            "phase": float(self.rng.uniform(0, 1000)),
        }
        row.update(values)
        self.segments.append(tuple(row.get(name, 0.0) for name in SEGMENT.names or ()))
        self.pitch, self.roll, self.yaw = row["pitch1"], row["roll1"], row["yaw1"]
        self.axial = row["axial1"]
        self.now_s = end
        if label is not None:
            self.activities.append(Activity(label, start, end))
        return start

    def change(self, posture: str, duration_s: float, label: str, lift_g: float, lean_rad: float) -> None:
        """Move to another posture: tilt blends over, with a lean and a rise or fall of the trunk."""
        pitch, roll = self.tilt[posture]
        roll += float(self.rng.normal(0.0, 0.03))
        self.add(
            TRANSITION,
            duration_s,
            label,
            pitch1=pitch,
            roll1=roll,
            axial1=float(self.rng.normal(0.0, 0.3)) if posture == LYING else 0.0,
            lift_g=lift_g,
            depth_g=lean_rad,
        )
        self.posture = posture

    def steps(
        self, kind: int, label: str, bout: Steps, turns: dict[int, tuple[int, float]] | None = None
    ) -> None:
        """Append a bout of steps; `turns` maps a step to (number of steps, change of heading in radians)."""
        first, start = self.step_count, self.now_s
        self.step_times.append(start + bout.edges_s)
        self.step_strength.append(bout.strength)
        self.step_count += bout.count + 1
        last = first + bout.count
        cursor = 0
        marks = sorted((turns or {}).items())
        legs: list[tuple[int, int, float]] = []
        for at, (length, angle) in marks:
            if at < cursor or at + length > bout.count:
                continue
            if at > cursor:
                legs.append((cursor, at, 0.0))
            legs.append((at, at + length, angle))
            cursor = at + length
        if cursor < bout.count:
            legs.append((cursor, bout.count, 0.0))
        for begin, end, angle in legs:
            until = start + float(bout.edges_s[end])
            self.add(
                kind,
                until - self.now_s,
                "turn" if angle else None,
                first_step=first + begin,
                bout_first=first,
                bout_last=last,
                yaw1=self.yaw + angle,
            )
        strides = bout.stride_times_s
        known = len(strides) > 0
        self.activities.append(
            Activity(
                label,
                start,
                self.now_s,
                bout.count,
                bout.cadence_spm,
                float(strides.mean()) if known else None,
                float(strides.std() / strides.mean()) if known else None,
            )
        )

    def record(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(segments, step times, step strengths) for the kernel."""
        segments = np.array(self.segments, dtype=SEGMENT)
        if self.step_times:
            return segments, np.concatenate(self.step_times), np.concatenate(self.step_strength)
        return segments, np.zeros(2), np.zeros(2)
