#!/usr/bin/python3
"""Reads a bounce as a mail program would and prints what it says.

usage: dsncheck.py FILE

Exit code 1 when the message has a defect.
"""

import email
import email.policy
import sys


def main():
    with open(sys.argv[1], "rb") as file:
        mail = email.message_from_binary_file(
            file, policy=email.policy.default)
    defects = [d for part in mail.walk() for d in part.defects]
    if defects or mail.get_content_type() != "multipart/report":
        sys.exit(f"defects: {defects}, type {mail.get_content_type()}")
    if mail.get_param("report-type") != "delivery-status":
        sys.exit("wrong report-type")
    for name in ("Date", "Message-ID", "MIME-Version", "Subject"):
        if mail[name] is None:
            sys.exit(f"no {name}")
    for name in ("To", "From", "Auto-Submitted"):
        print(f"{name}: {mail[name]}")
    parts = list(mail.iter_parts())
    print("types:", *(part.get_content_type() for part in parts))
    fields = [f for block in parts[1].get_payload() for f in block.items()]
    for name, value in fields:
        if name != "Arrival-Date":
            print(f"{name}: {value}")
    original = email.message_from_string(
        parts[2].get_content(), policy=email.policy.default)
    print("Subject of the original:", original["Subject"])


if __name__ == "__main__":
    main()
