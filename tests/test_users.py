"""The user ids that workers get: nobody's."""

from __future__ import annotations

import os
import sys

import pytest

from autograder import users


def test_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id whose processes run, that this machine knows, or that another grading has is passed over."""
    if sys.platform != "linux":
        pytest.skip("there are no abstract sockets")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    free = {20_001, 20_002, 31_000}
    monkeypatch.setattr(users, "running_users", lambda: {*range(20_000, 60_000)} - free)
    monkeypatch.setattr(users, "is_known", lambda uid: uid == 31_000)
    claims = [users.claim_uid() for _ in range(3)]
    assert {uid for _, uid in claims} == {20_001, 20_002, None}
    for claim, _ in claims:
        if claim:
            claim.close()
    claim, uid = users.claim_uid()
    assert claim
    assert uid in (20_001, 20_002)
    claim.close()


def test_who_is_there() -> None:
    """Whose processes run is seen, and who has a name here is known."""
    assert os.geteuid() in users.running_users()
    assert users.is_known(0)
    assert not users.is_known(users.LAST_UID - 1)
