"""Follows `classifications`, and checks each record against its schema: consume.py BOOTSTRAP [PREFIX]

    pip install confluent-kafka==2.12.1 jsonschema==4.25.1
"""
import json, pathlib, sys
from confluent_kafka import Consumer
from jsonschema import Draft202012Validator

bootstrap, prefix = sys.argv[1], (sys.argv[2:] or [""])[0]
schema = json.loads((pathlib.Path(__file__).parent / "schemas/classifications.json").read_text())
validator = Draft202012Validator(schema)
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "example", "auto.offset.reset": "earliest",
                     "isolation.level": "read_committed"})  # without it, aborted records are seen too
consumer.subscribe([prefix + "classifications"])
while True:
    message = consumer.poll(1.0)
    if message is None or message.error():
        continue
    image, headers = message.key().decode(), dict(message.headers())
    if message.value() is None:  # a tombstone: the image is in no class any more
        print(image, "-", flush=True)
        continue
    record = json.loads(message.value())
    validator.validate(record)
    classes = [f"{member['name']}:{member['state']}" for member in record["classes"]]
    print(image, headers["ce_type"].decode(), ",".join(classes), flush=True)
