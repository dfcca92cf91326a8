"""Reads exchanges as JSON, [{verb, params, body, answer}], and prints what gcloud's message classes do not know in them.

Usage: schema.py GCLOUD_ROOT < exchanges.json
"""

import json
import sys

root = sys.argv[1]
sys.path[:0] = [root + "/lib", root + "/lib/third_party"]

from apitools.base.protorpclite import messages  # noqa: E402
from apitools.base.py import encoding  # noqa: E402
from googlecloudsdk.generated_clients.apis.compute.v1 import (  # noqa: E402
    compute_v1_messages as compute,
)

BODIES = {
    "images.insert": "Image",
    "instances.insert": "Instance",
    "instances.setLabels": "InstancesSetLabelsRequest",
    "instances.setMetadata": "Metadata",
}
ANSWERS = {
    "disks.aggregatedList": "DiskAggregatedList",
    "disks.delete": "Operation",
    "images.insert": "Operation",
    "images.get": "Image",
    "images.delete": "Operation",
    "globalOperations.wait": "Operation",
    "instances.insert": "Operation",
    "instances.delete": "Operation",
    "instances.detachDisk": "Operation",
    "instances.setLabels": "Operation",
    "instances.setMetadata": "Operation",
    "zoneOperations.get": "Operation",
    "zoneOperations.wait": "Operation",
    "instances.get": "Instance",
    "instances.list": "InstanceList",
    "instances.aggregatedList": "InstanceAggregatedList",
    "instances.getSerialPortOutput": "SerialPortOutput",
    "zones.get": "Zone",
    "projects.get": "Project",
}


def unknown(value, path):
    """The fields and enum values below a message that its class does not have."""
    if isinstance(value, (list, tuple)):
        return [p for i, item in enumerate(value) for p in unknown(item, f"{path}[{i}]")]
    if not isinstance(value, messages.Message):
        return []
    found = [f"{path}.{name}" for name in value.all_unrecognized_fields()]
    for field in value.all_fields():
        found += unknown(value.get_assigned_value(field.name), f"{path}.{field.name}")
    return found


def decode(name, data, path):
    try:
        return unknown(encoding.JsonToMessage(getattr(compute, name), json.dumps(data)), path)
    except Exception as error:  # Wrong types throw, each in its own way.
        return [f"{path}: {name}: {error}"]


def typed(text, field):
    if isinstance(field, messages.IntegerField):
        return int(text)
    return text == "true" if isinstance(field, messages.BooleanField) else text


def check_params(verb, params):
    name = "Compute" + "".join(part[0].upper() + part[1:] for part in verb.split(".")) + "Request"
    fields = {field.name: field for field in getattr(compute, name).all_fields()}
    standard = {field.name for field in compute.StandardQueryParameters.all_fields()}
    extra = [f"{verb}?{key}" for key in params if key not in fields and key not in standard]
    known = {key: typed(value, fields[key]) for key, value in params.items() if key in fields}
    missing = [f"{verb}?{key}: missing" for key, f in fields.items() if f.required and key not in known]
    return extra + missing + decode(name, known, verb)


problems = []
for exchange in json.load(sys.stdin):
    verb = exchange["verb"]
    if verb not in ANSWERS:
        problems.append(f"{verb}: no such call")
        continue
    problems += check_params(verb, exchange["params"])
    if verb in BODIES:
        problems += decode(BODIES[verb], exchange["body"], verb + " request")
    elif exchange.get("body") is not None:
        problems.append(f"{verb}: it takes no body")
    if exchange.get("answer") is not None:
        problems += decode(ANSWERS[verb], exchange["answer"], verb + " answer")
json.dump(sorted(set(problems)), sys.stdout)
