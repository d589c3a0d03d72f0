"""Checks signed webhooks with the Standard Webhooks package of PyPI.

Reads JSON lines (secret, id, timestamp, signature, body as base64): each must verify, and none may verify once a single
bit of its body, a letter of its id or its signature, or its time has changed. Also an example of how a receiver does it.
"""

import base64
import json
import random
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


def verifies(line, **change):
    line = {**line, **change}
    headers = {
        "webhook-id": line["id"],
        "webhook-timestamp": str(line["timestamp"]),
        "webhook-signature": line["signature"],
    }
    try:
        Webhook(line["secret"]).verify(line["body"], headers)
    except (WebhookVerificationError, UnicodeDecodeError):  # a body that is no JSON has been accepted
        return False
    except json.JSONDecodeError:
        return True
    return True


def main():
    count = 0
    for text in sys.stdin:
        line = json.loads(text)
        line["body"] = base64.b64decode(line["body"])
        assert verifies(line), f"{line['id']} was not accepted"
        body = bytearray(line["body"])
        body[random.randrange(len(body))] ^= 1 << random.randrange(7)
        signature = line["signature"]
        place = random.randrange(3, len(signature) - 2)
        letter = "B" if signature[place] == "A" else "A"
        for change in (
            {"body": bytes(body)},
            {"id": line["id"][:-1] + ("3" if line["id"][-1] == "2" else "2")},
            {"timestamp": line["timestamp"] ^ 1},
            {"signature": signature[:place] + letter + signature[place + 1 :]},
        ):
            assert not verifies(line, **change), f"{line['id']} was accepted though {list(change)} had changed"
        count += 1
    assert count >= 1000, f"only {count} webhooks"
    print(f"{count} webhooks verified, {4 * count} changes refused")


main()
