"""OpenClaw's own command lines ask to pair, and a person decides in the dialog (`tests/desktop/run --interop`)."""

import os
import sys
import unittest
from pathlib import Path
from types import SimpleNamespace

import dialogs
from desktop_case import SHARED_TOKEN, DesktopCase
from waiting import wait_until
from words import ADMIN, APPROVALS, LEVEL_WRITE, PAIRING, SENTENCES

sys.path.append(str(Path(__file__).resolve().parent.parent / "interop"))

import foreign  # noqa: E402
from openclaw import RELEASE_4_1, RELEASE_9_6, OpenClaw  # noqa: E402

# The private home has no cache of its own.
foreign.CACHE = Path(os.environ["TIDEGATE_INTEROP_CACHE"])


class Pairing(DesktopCase):
    """Both releases, against the real desktop."""

    def openclaw(self, release, name="client", token=SHARED_TOKEN):
        gateway = SimpleNamespace(url=f"ws://127.0.0.1:{self.shell.wait_until_ready()}", token=token)
        return OpenClaw(release, self.shell.state.parent / name, gateway, token=token)

    def test_2026_4_1_shows_its_device_and_its_scopes_and_works_once_approved(self):
        item = self.start_until_ready()
        client = self.openclaw(RELEASE_4_1)

        client.call("health").refused().says("pairing required")
        dialog = self.review_from_tray(item)
        dialog.says("A new device wants to pair.", *(SENTENCES[s] for s in (ADMIN, APPROVALS, PAIRING)))
        dialog.says("2026.4.1", str(client.release.node))
        self.assertTrue(client.identity()["deviceId"].startswith(self.shell.waiting()[0]["deviceId"][:8]))
        dialog.approve()

        self.assertEqual(client.payload("health")["ok"], True)
        self.assertIn("sessions", client.payload("sessions.list"))
        # A second command asks nobody.
        self.assertEqual(self.shell.waiting(), [])

    def test_2026_4_1_that_is_given_a_level_is_refused_beyond_it_and_asks_nobody(self):
        item = self.start_until_ready()
        client = self.openclaw(RELEASE_4_1)
        client.call("health").refused()
        dialog = self.review_from_tray(item)

        dialog.toggle(LEVEL_WRITE)
        dialog.approve()

        self.assertIn("sessions", client.payload("sessions.list"))
        client.call("sessions.delete", {"key": "agent:main:other"}).refused().says("missing scope: operator.admin")
        self.assertEqual(self.shell.waiting(), [])

    def test_2026_9_6_prints_the_code_of_the_dialog(self):
        item = self.start_until_ready()
        client = self.openclaw(RELEASE_9_6)

        ended = client.call("health").refused().says("pairing required")
        dialog = self.review_from_tray(item)

        code = dialog.value_of("Code")
        self.assertEqual(len(code), 8)
        ended.says(f"requestId: {code}")
        dialog.says("A new program wants to pair.", str(client.release.node))
        self.assertIn("Once", " ".join(choice for choice in dialog.choices() if dialog.is_chosen(choice)))
        dialog.approve()
        self.assertEqual(client.payload("health")["ok"], True)

    def test_2026_9_6_gets_a_token_of_its_own_from_the_dialog_and_works_with_it(self):
        item = self.start_until_ready()
        held = self.openclaw(RELEASE_9_6)
        held.call("sessions.list").refused()
        dialog = self.review_from_tray(item)

        dialog.toggle(LEVEL_WRITE)
        dialog.toggle("Make a new token for this program instead")
        dialog.approve()
        shown = self.dialog(dialogs.TOKEN)
        # The longest word is the token.
        token = max((text for text in shown.texts() if " " not in text), key=len)
        shown.press_and_close("Close")

        client = self.openclaw(RELEASE_9_6, "with-token", token)
        self.assertEqual(client.payload("health")["ok"], True)
        self.assertIn("sessions", client.payload("sessions.list"))
        wait_until(lambda: self.shell.waiting() == [], "nothing waits")


if __name__ == "__main__":
    unittest.main()
