"""Encoded code that is run: what is encoded may be a secret, and is not shown."""

from __future__ import annotations

import base64

from fulldress.scan.rules import code_hidden
from fulldress.scan.samples import context_of


def test_what_is_encoded_is_not_shown() -> None:
    literal = base64.b64encode(b"export PGPASSWORD=Vm9RIGRf2r582LR").decode()
    (found,) = code_hidden.check(context_of({"up.sh": f"#!/bin/sh\necho {literal} | base64 -d | sh\n"}))
    assert found.excerpt == "echo <encoded> | base64 -d | sh"
