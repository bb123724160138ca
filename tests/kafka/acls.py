"""Gives a cluster the ACLs of KafkaUsers, as Strimzi's User Operator does: acls.py BOOTSTRAP users.yaml

    pip install confluent-kafka==2.12.1 PyYAML==6.0.3
"""
import re, sys
import yaml
from confluent_kafka.admin import (AclBinding, AclOperation, AclPermissionType, AdminClient, ResourcePatternType,
                                   ResourceType)

TYPES = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP, "transactionalId": ResourceType.TRANSACTIONAL_ID}
PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}

bindings = []
for user in yaml.safe_load_all(open(sys.argv[2])):
    principal = "User:CN=" + user["metadata"]["name"]  # what a certificate of Strimzi's says
    for acl in user["spec"]["authorization"]["acls"]:
        resource = acl["resource"]
        for operation in acl["operations"]:
            bindings.append(AclBinding(
                TYPES[resource["type"]], resource["name"], PATTERNS[resource.get("patternType", "literal")], principal, "*",
                AclOperation[re.sub("(?<=[a-z])(?=[A-Z])", "_", operation).upper()], AclPermissionType.ALLOW))
admin = AdminClient({"bootstrap.servers": sys.argv[1]})
for created in admin.create_acls(bindings).values():
    created.result()
