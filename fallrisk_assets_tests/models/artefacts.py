"""Artefacts of the detector made for tests: the released one with other thresholds, sealed anew."""

import json

from fallrisk_assets.models.kinds import FALL_DETECTOR, KINDS
from fallrisk_assets.risk.detector import parameters_hash


def released_artefact():
    kind = KINDS[FALL_DETECTOR]
    return kind.shipped()[kind.released()]


def with_threshold(threshold, version="tried"):
    content = json.loads(released_artefact())
    thresholds = content["parameters"]["thresholds"]
    content["parameters"]["thresholds"] = dict.fromkeys(thresholds, threshold)
    content["parameters_sha256"] = parameters_hash(content["parameters"])
    content["version"] = version
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
