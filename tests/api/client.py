"""Lists, pages and watches with the client that openapi-python-client has made of docs/reference/openapi.json."""

import json
import sys

from clade_client import Client
from clade_client.api.default import explain, get_usage, list_classes, list_images, list_tags, look_up
from clade_client.models import Lookup, Problem, Sort

client = Client(base_url=sys.argv[1], raise_on_unexpected_status=True)

classes = list_classes.sync(client=client)
names = [item.metadata.name for item in classes.items]
assert names and names == sorted(names), names

# All pages of a list are the whole list.
whole = [tag.name for tag in list_tags.sync(client=client, class_=names[0]).items]
paged, token = [], None
while True:
    more = {"continue_": token} if token else {}
    page = list_tags.sync(client=client, class_=names[0], limit=7, **more)
    paged += [tag.name for tag in page.items]
    token = page.metadata.continue_ if isinstance(page.metadata.continue_, str) else None
    if token is None:
        break
assert paged == whole and len(paged) > 7, (len(paged), len(whole))

usage = get_usage.sync(client=client, class_=names[0])
assert usage.tags == len(whole), (usage.tags, len(whole))
image = list_images.sync(client=client, class_=names[0], sort=Sort("-created"), limit=1).items[0]
assert any(standing.name == names[0] for standing in image.classes), image
assert explain.sync(client=client, ref=whole[0]).items[0].verdict
found = look_up.sync(client=client, body=Lookup(refs=[whole[0], "nobody/has:this"])).items
assert len(found) == 2, found
problem = list_tags.sync(client=client, class_="no-such-class")
assert isinstance(problem, Problem) and problem.status == 404, problem

# The generator knows no streams: the connection of its client does.
seen = []
with client.get_httpx_client().stream("GET", "/v1/classes", params={"watch": "true"}) as changes:
    for line in changes.iter_lines():
        change = json.loads(line)
        if change["type"] == "BOOKMARK":
            break
        seen.append(change["object"]["metadata"]["name"])
assert seen == names, (seen, names)
print(f"the generated client has listed {len(names)} classes, paged through {len(paged)} tags, and watched")
