"""Programs without a key of their own, tokens, and what agents want to do: commands and files."""

import tempfile
import unittest
from pathlib import Path

import dialogs
from desktop_case import DesktopCase
from shell import BINARIES
from waiting import PATIENCE, wait_until
from words import LEVEL_WRITE, PAIRING, READ, SENTENCES, WRITE


class Programs(DesktopCase):
    """A program on this computer that sends no device."""

    def program(self, **identity):
        return self.device(None, **identity)

    def test_it_is_known_by_its_file_and_gets_a_level(self):
        self.start_until_ready()
        program = self.program()
        refused = program.request_pairing(READ)
        self.assertEqual(refused.details["code"], "PAIRING_REQUIRED")

        dialog = self.review()
        dialog.says("A new program wants to pair.", "a tripwire", str(BINARIES / "pairing-client"), refused.request_id[:8])
        dialog.toggle(LEVEL_WRITE)
        dialog.approve()

        self.assertEqual(program.connect_when_let_in(READ)["auth"]["scopes"], [READ])

    def test_a_token_of_its_own_is_shown_once_and_works(self):
        self.start_until_ready()
        self.program(displayName="Backup").request_pairing(READ)
        dialog = self.review()

        dialog.toggle(LEVEL_WRITE)
        dialog.toggle("Make a new token for this program instead")
        dialog.approve()
        shown = self.dialog(dialogs.TOKEN)
        shown.says("It is shown this once", "Backup")
        # The longest word is the token.
        token = max((text for text in shown.texts() if " " not in text), key=len)
        shown.press_and_close("Close")

        self.wait_for_waiting(0)
        (made,) = self.shell.json("token", "list")["tokens"]
        self.assertTrue(made["name"].startswith("Backup"), made)
        with_token = self.program(token=token)
        self.assertIn(WRITE, with_token.connect(WRITE)["auth"]["scopes"])
        revoked = self.shell.tidegate("token", "revoke", made["name"])
        self.assertEqual(revoked.returncode, 0, revoked.stderr)
        self.assertEqual(with_token.closed()[0], 4001)

    def test_the_command_line_can_only_request_the_dialog_for_a_token(self):
        self.start_until_ready()

        asked = self.shell.tidegate("token", "new", "--name", "Backup", "--level", "full")

        self.assertIn("dialog", asked.stdout + asked.stderr)
        dialog = self.dialog(dialogs.NEW_TOKEN)
        self.assertEqual(self.shell.json("token", "list")["tokens"], [])
        dialog.press_and_close("Cancel")
        self.assertEqual(self.shell.json("token", "list")["tokens"], [])


class KnownNames(DesktopCase):
    """A person gave a device a name."""

    def test_another_device_that_claims_the_name_asks_with_a_caution(self):
        item = self.start_until_ready()
        first = self.device(1, displayName="Tablet")
        hello = self.approve(first, READ, PAIRING)
        device_id = first.call("device.pair.list")["paired"]
        own = next(one["deviceId"] for one in device_id if not one.get("builtIn"))
        first.call("device.pair.rename", deviceId=own, label="My tablet")
        self.assertIn(PAIRING, hello["auth"]["scopes"])

        self.device(2, displayName="My tablet").request_pairing(READ)

        dialog = self.review_from_tray(item)
        dialog.says("You gave this name to another device", SENTENCES[READ]).press_and_close("Reject")


class AgentCase(DesktopCase):
    """An agent does something."""

    def setUp(self):
        super().setUp()
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def agent(self, message):
        """Has the built-in demo do something, in the background."""
        return self.shell.start_agent(message, self)


class Commands(AgentCase):
    """An agent wants to run a command."""

    def test_it_runs_only_after_the_dialog_allowed_it_once(self):
        item = self.start_until_ready()
        words = "echo one  two '%s%n <b>' && exit 7"
        running = self.agent(f"/run {words}")

        item.wait_for_label("1 request of an agent waits")
        dialog = self.dialog(dialogs.COMMAND)
        dialog.says("Run this command?", words)
        self.assertNotIn("Block", dialog.buttons())
        dialog.press_and_close("Run once")

        said = running.communicate(timeout=PATIENCE)[0]
        self.assertIn("one two %s%n <b>", said)

    def test_denied_it_does_not_run(self):
        self.start_until_ready()
        running = self.agent("/run echo it-ran-$((20 + 3))")

        self.dialog(dialogs.COMMAND).press_and_close("Deny")

        self.assertNotIn("it-ran-23", running.communicate(timeout=PATIENCE)[0])

    def test_contained_commands_are_allowed_in_the_folder_once_and_nobody_is_asked_again(self):
        item = self.start_until_ready()
        first = self.agent("/run echo first-$((20 + 3))")
        dialog = self.dialog(dialogs.COMMAND)
        dialog.says("It runs in a sandbox", "Run this once, exactly as it is shown.", "Chat", "Main")
        dialog.toggle("Run this, and let agents run contained commands in")
        self.assertIn("Allow in this folder", dialog.buttons())

        dialog.press_and_close("Allow in this folder")

        self.assertIn("first-23", first.communicate(timeout=PATIENCE)[0])
        second = self.agent("/run echo second-$((20 + 3))")
        self.assertIn("second-23", second.communicate(timeout=PATIENCE)[0])
        self.assertEqual(self.open_dialogs(), [])
        item.wait_for_label("1 command ran contained")

    def test_asking_for_everything_is_the_trays_to_begin_and_the_dialogs_to_end(self):
        item = self.start_until_ready()
        first = self.agent("/run true")
        dialog = self.dialog(dialogs.COMMAND)
        dialog.toggle("Run this, and let agents run contained commands in")
        dialog.press_and_close("Allow in this folder")
        first.communicate(timeout=PATIENCE)

        item.click("Ask for everything")
        wait_until(lambda: self.shell.json("status")["gateway"]["askEverything"], "everything is asked about")
        asked = self.agent("/run echo asked-$((20 + 3))")
        self.dialog(dialogs.COMMAND).says("You chose to be asked about everything.").press_and_close("Run once")
        self.assertIn("asked-23", asked.communicate(timeout=PATIENCE)[0])
        item.click("Ask for everything")
        question = self.dialog(dialogs.MESSAGE).says("Use your permissions again?")
        self.assertTrue(self.shell.json("status")["gateway"]["askEverything"], "a tray event is no person")
        question.press_and_close("Use permissions")

        wait_until(lambda: not self.shell.json("status")["gateway"]["askEverything"], "permissions are used")

    def test_what_two_subagents_ask_side_by_side_is_one_dialog_and_runs_together(self):
        self.start_until_ready()
        running = self.agent("/spawn one: /run touch one\n/spawn two: /run touch two")

        dialog = self.dialog(dialogs.COMMAND).wait_for_text("Run these 2 commands of one task?")
        dialog.says("touch one", "touch two", "Subagent", "one", "two")
        self.assertEqual(len(self.open_dialogs()), 1)
        # What came second joined the end, and is not meant until it is ticked.
        for choice in ("touch one", "touch two"):
            if not dialog.is_chosen(choice):
                dialog.toggle(choice)
        dialog.press_and_close("Run 2 once")

        workspace = self.shell.state.parent / "state-workspace"
        wait_until(lambda: (workspace / "one").exists() and (workspace / "two").exists(), "both ran")
        running.communicate(timeout=PATIENCE)

    def test_the_words_of_a_denial_reach_the_agent(self):
        self.start_until_ready()
        running = self.agent("/run echo it-ran-$((20 + 3))")
        dialog = self.dialog(dialogs.COMMAND)
        self.assertNotIn("Deny and stop", dialog.buttons())

        dialog.press("Deny\u2026")
        dialog.type_into("Tell the agent (optional)", "Use the harbour script instead.")
        self.assertIn("Deny and stop", dialog.buttons())
        dialog.press_and_close("Deny")

        said = running.communicate(timeout=PATIENCE)[0]
        self.assertIn("Use the harbour script instead.", said)
        self.assertNotIn("it-ran-23", said)

    def test_a_denial_can_stop_the_run(self):
        self.start_until_ready()
        running = self.agent("/run echo it-ran-$((20 + 3))")
        dialog = self.dialog(dialogs.COMMAND)

        dialog.press("Deny\u2026")
        dialog.press_and_close("Deny and stop")

        said = running.communicate(timeout=PATIENCE)[0]
        self.assertNotIn("it-ran-23", said)

    def test_the_command_line_cannot_allow_it_beside_a_desktop(self):
        self.start_until_ready()
        running = self.agent("/run true")
        dialog = self.dialog(dialogs.COMMAND)
        waiting = wait_until(lambda: self.shell.json("approvals", "list"), "the command waits")

        self.shell.tidegate("approvals", "allow", waiting[0]["id"])

        self.assertTrue(dialog.is_showing() or self.open_dialogs())
        self.assertEqual(len(self.shell.json("approvals", "list")), 1)
        self.dialog(dialogs.COMMAND).press_and_close("Deny")
        running.communicate(timeout=PATIENCE)

    def test_quitting_names_what_runs_and_asks(self):
        item = self.start_until_ready()
        self.agent("/run sleep 100")
        self.dialog(dialogs.COMMAND).press_and_close("Run once")
        wait_until(lambda: any(name == "sleep" for _, name in self.shell.descendants()), "the command runs")

        item.click("Quit")
        question = self.dialog(dialogs.MESSAGE).says("Quit while agents are running?")
        question.press_and_close("Cancel")
        self.assertIsNone(self.shell.process.poll())
        item.click("Quit")
        self.dialog(dialogs.MESSAGE).press_and_close("Quit")

        self.assertEqual(self.shell.wait(), 0)
        self.shell.wait_until_nothing_is_left()


class FilesOutside(AgentCase):
    """An agent wants to use a file outside its workspace."""

    def setUp(self):
        super().setUp()
        self.start_until_ready()
        self.file = self.directory.resolve() / "notes.txt"

    def test_it_is_read_only_after_the_dialog_allowed_it_and_asked_for_again(self):
        self.file.write_text("the tide turns at nine")
        reading = self.agent(f"/read {self.file}")
        dialog = self.dialog(dialogs.FILE).says("Read a file outside the workspace?", str(self.file))
        self.assertNotIn("Block", dialog.buttons())
        dialog.press_and_close("Read once")
        self.assertIn("the tide turns at nine", reading.communicate(timeout=PATIENCE)[0])

        again = self.agent(f"/read {self.file}")
        self.dialog(dialogs.FILE).press_and_close("Deny")
        said = again.communicate(timeout=PATIENCE)[0]
        self.assertIn("a person refused it", said)
        self.assertNotIn("tide turns", said)

    def test_what_would_be_written_is_shown_and_then_written(self):
        writing = self.agent(f"/write {self.file} one <b>%s</b>")
        self.dialog(dialogs.FILE).says(
            "Create a file outside the workspace?", str(self.file), "one <b>%s</b>",
        ).press_and_close("Write once")
        writing.communicate(timeout=PATIENCE)
        self.assertEqual(self.file.read_text().strip(), "one <b>%s</b>")

    def test_keys_are_refused_without_a_dialog(self):
        reading = self.agent(f"/read {Path.home() / '.ssh' / 'id_ed25519'}")
        self.assertIn("is refused", reading.communicate(timeout=PATIENCE)[0])
        self.assertEqual(self.open_dialogs(), [])


if __name__ == "__main__":
    unittest.main()
