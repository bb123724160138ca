"""Whether CloudEvents on stdin are such, and their data fits a schema: check-events.py SCHEMA <EVENTS"""
import json, sys
from jsonschema import Draft202012Validator

schema = json.load(open(sys.argv[1]))
Draft202012Validator.check_schema(schema)
validator, checked = Draft202012Validator(schema), 0
for line in sys.stdin:
    event = json.loads(line)
    assert event["specversion"] == "1.0" and event["id"] and event["source"] and event["type"], event
    # A tombstone has no data.
    if "data" in event:
        validator.validate(event["data"])
        checked += 1
assert checked, "no event has data"
