"""The window in the real browser engine: what it shows, and what no page can do."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import accessibility
import dialogs
from desktop_case import SHARED_TOKEN, DesktopCase
from device import Device
from dialog_test import TYPING
from shell import Shell, State
from waiting import PATIENCE, never_within, wait_until
from web_driver import WebDriver
from words import READ, SENTENCES, WRITE


# Debug builds alone have it.
INSPECT = "Inspect Element"


class WindowCase(DesktopCase):
    """The window that the very first start opens."""

    def setUp(self):
        super().setUp()
        directory = Path(self.enterContext(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        self.shell = State(directory / "state")
        self.pid = None
        self.addCleanup(self.end)
        command = Shell.command(self.shell.state)
        self.page = self.enterContext(WebDriver(command, TIDEGATE_TOKEN=SHARED_TOKEN))
        self.port = self.shell.wait_until_ready()
        self.pid = self.shell.json("status")["pid"]

    def end(self):
        """Ends Tidegate, which the driver leaves running: the next test would click in its tray."""
        if self.pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.tray.wait_until_empty()

    def device(self, number=1, **identity):
        return self.enterContext(Device(self.shell, number, token=SHARED_TOKEN, **identity))

    def review(self):
        return self.dialog(dialogs.REVIEW)

    def dialog(self, title):
        return dialogs.wait_for_dialog(self.pid, title)

    def call_from_page(self, calls):
        """Calls methods as a script in the page can: on a connection that it opens itself."""
        answers = self.page.run_async(
            """const [calls, done] = arguments;
            const tauri = window.__TAURI_INTERNALS__;
            const answers = {};
            const heard = (message) => {
                const text = message && message.message !== undefined ? message.message : message;
                if (typeof text !== 'string') return;
                const frame = JSON.parse(text);
                if (frame.type !== 'res' || !String(frame.id).startsWith('hostile-')) return;
                answers[frame.id] = frame;
                if (Object.keys(answers).length === calls.length) done(calls.map((_, i) => answers['hostile-' + i]));
            };
            const channel = '__CHANNEL__:' + tauri.transformCallback(heard);
            tauri.invoke('backend_open', { channel }).then(async () => {
                for (const [index, [method, params]] of calls.entries()) {
                    const frame = { type: 'req', id: 'hostile-' + index, method, params };
                    await tauri.invoke('backend_send', { text: JSON.stringify(frame) });
                }
            }).catch((error) => done(String(error)));""",
            [list(call) for call in calls],
        )
        self.assertIsInstance(answers, list, json.dumps(answers))
        return list(zip((method for method, _ in calls), answers))


class TheWindow(WindowCase):
    """What it shows of gateway and requests, and what its page cannot do."""

    def test_the_first_start_opens_overview_which_shows_the_gateway_and_no_problem(self):
        self.page.wait_for_text("Overview")
        self.page.wait_for_text(f"ws://127.0.0.1:{self.port}")
        self.page.wait_for_text("Running")

        # Tray, notifications and keyring are there.
        never_within(lambda: "works without it" in self.page.text(), "a problem on a desktop without any", 1)

    def test_new_chat_in_the_tray_begins_one(self):
        item = self.tray.wait_for_item()
        wait_until(lambda: ("New chat", True) in item.labels(), "the tray offers a new chat")

        item.click("New chat")

        self.page.wait_for_url("/chat/agent%3Amain%3Achat-")
        self.page.wait_for_text("What should the agent do?")

    def test_review_in_the_window_opens_the_dialog_and_what_was_decided_is_seen(self):
        device = self.device(displayName="Kitchen <b>tablet</b>")
        refused = device.request_pairing(READ, WRITE)
        self.review().press_and_close("Later")

        self.page.click("Requests")
        self.page.wait_for_text("Kitchen <b>tablet</b>")
        self.page.wait_for_text(refused.request_id[:8])
        self.page.wait_for_text(SENTENCES[WRITE])
        self.page.click("Review\u2026")
        self.review().approve()

        # The id stays in the log below: the tests press by a program, which is recorded.
        wait_until(lambda: SENTENCES[WRITE] not in self.page.text(), "the page shows no request any more")
        self.page.click("Devices")
        self.page.wait_for_text("Kitchen <b>tablet</b>")
        self.assertEqual(device.connect_when_let_in(READ, WRITE)["auth"]["scopes"], [READ, WRITE])

    def test_a_page_that_tries_to_widen_by_every_command_it_can_reach_is_refused(self):
        device = self.device()
        refused = device.request_pairing(READ, WRITE)
        self.review()
        self.page.wait_for_text("Running")

        forbidden = [
            ("device.pair.approve", {"requestId": refused.request_id}),
            ("device.pair.rename", {"deviceId": refused.details["deviceId"], "label": "x"}),
            ("tidegate.devices.decide", {"requestId": refused.request_id, "decision": "approve"}),
            ("tidegate.devices.decide", {"requestId": refused.request_id, "digest": "", "verdict": "approve"}),
            ("tidegate.devices.unblock", {"id": refused.details["deviceId"]}),
            ("tidegate.models.take", {"model": "ollama/x", "owner": "x"}),
            ("tidegate.files.keep", {"id": "0", "digest": "0"}),
            ("tidegate.token.new", {"name": "x", "level": "full"}),
            ("tidegate.token.rotate", {}),
            ("tidegate.token.show", {}),
            ("tidegate.models.add", {"id": "x", "baseUrl": "http://127.0.0.1:1", "key": "x"}),
            ("tidegate.selftest", {}),
            ("tidegate.stop", {}),
            ("exec.approval.request", {"command": "id"}),
            ("sessions.delete", {"key": "agent:main:main"}),
            ("system-event", {"text": "x"}),
            ("config.set", {"raw": "{}"}),
            ("config.patch", {"raw": "{}"}),
            ("connect", {"minProtocol": 3, "maxProtocol": 4}),
        ]
        for method, answer in self.call_from_page(forbidden):
            self.assertFalse(answer["ok"], f"{method}: {answer}")
        self.assertEqual(len(self.shell.waiting()), 1)
        kinds = [event["kind"] for event in self.shell.audit()]
        self.assertNotIn("pairing.approved", kinds)
        self.assertEqual(device.request_pairing(READ, WRITE).details["code"], "PAIRING_REQUIRED")

    def test_a_page_can_reach_no_command_of_the_shell_but_its_own_connection(self):
        self.page.wait_for_text("Running")
        commands = [
            "approve", "decide", "dialog_open", "backend_approve", "plugin:event|emit", "plugin:window|create",
            "plugin:webview|create_webview_window", "plugin:shell|open", "plugin:fs|read_file",
            "plugin:process|exit", "plugin:autostart|enable", "plugin:notification|notify", "plugin:app|app_hide",
            "plugin:tray|new", "plugin:menu|new", "plugin:path|resolve_directory", "plugin:clipboard-manager|write_text",
        ]

        answers = self.page.run_async(
            """const [commands, done] = arguments;
            const attempt = (command) => window.__TAURI_INTERNALS__.invoke(command, {})
                .then((value) => [command, true, String(value)], (error) => [command, false, String(error)]);
            Promise.all(commands.map(attempt)).then(done);""",
            commands,
        )

        self.assertEqual([answer for answer in answers if answer[1]], [])

    def test_a_page_cannot_go_elsewhere_nor_run_foreign_scripts(self):
        self.page.wait_for_text("Running")
        before = self.page.url()

        self.page.run("window.location.href = 'http://127.0.0.1:%d/health'" % self.port)
        never_within(lambda: self.page.url().split("#")[0] != before.split("#")[0], "the page went elsewhere", 1)
        ran = self.page.run_async(
            """const done = arguments[0];
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            fetch('http://127.0.0.1:%d/health').then(() => done('fetched'), () => done(window.ran || null));"""
            % self.port
        )
        self.assertIsNone(ran)
        self.assertEqual(len(self.page_windows()), 1)

    def page_windows(self):
        return dialogs.open_windows(self.pid)


class CommandsThatRun(WindowCase):
    """An agent waits for the end of one."""

    def test_the_button_in_the_chat_is_ctrl_c_for_it(self):
        self.page.wait_for_text("Running")
        self.page.click("Chat")
        words = "/run trap 'echo caught; exit 3' INT; touch begun; while :; do sleep 0.1; done"
        agent = self.shell.start_agent(words, self)
        self.dialog(dialogs.COMMAND).press_and_close("Run once")
        wait_until((self.shell.state.parent / "state-workspace" / "begun").exists, "the command has begun")

        self.page.click("Interrupt")

        said = agent.communicate(timeout=PATIENCE)[0]
        self.assertIn("caught", said)
        self.assertIn("interrupted by a person with Ctrl-C", said)
        wait_until(lambda: "Interrupt" not in self.page.text(), "the button is gone")


class BesideTheWindow(WindowCase):
    """A person works in the window, and an agent asks."""

    def setUp(self):
        super().setUp()
        self.page.wait_for_text("Running")
        (window,) = self.windows_of_page()
        xdotool("windowsize", "--sync", window, 800, 600)
        xdotool("windowmove", window, 0, 0)
        xdotool("windowactivate", "--sync", window)

    def windows_of_page(self):
        found = subprocess.run(["xdotool", "search", "--all", "--onlyvisible", "--pid", str(self.pid), "--name", "^Tidegate$"],
                               capture_output=True, text=True, check=True, timeout=PATIENCE)
        return found.stdout.split()

    def test_the_dialog_hides_nothing_of_it_and_nothing_is_notified(self):
        self.shell.start_agent("/run true", self)
        dialog = self.dialog(dialogs.COMMAND)

        (window,) = dialogs.open_windows(self.pid)
        left, top, width, height = window.box()
        def is_beside():
            x, y, w, h = dialog.box()
            return x >= left + width or x + w <= left or y >= top + height or y + h <= top
        wait_until(is_beside, "the dialog stands beside the window")
        never_within(lambda: self.notifications.sent, "a notification beside the window", 2)

        other = subprocess.Popen([sys.executable, "-c", TYPING], stdout=subprocess.DEVNULL)
        self.addCleanup(other.wait, PATIENCE)
        self.addCleanup(other.kill)
        told = self.notifications.wait_for_notification()
        self.assertEqual(told.body, "An agent wants to run a command.")
        dialog.press_and_close("Deny")

    def test_the_menu_of_the_right_button_is_not_a_browsers(self):
        xdotool("mousemove", 400, 500, "click", 3)
        never_within(self.menu_items, "a menu on the page", 2)
        xdotool("key", "Escape")
        self.page.click("Chat")
        self.page.wait_for_text("Main")
        (window,) = self.windows_of_page()

        def menu_of_the_field():
            # It moves until the page has found its size.
            box = self.page.run("const box = document.querySelector('textarea')?.getBoundingClientRect();"
                                "return box ? [box.x, box.y, box.height] : null")
            if not box:
                return None
            xdotool("mousemove", "--window", window, box[0] + 40, box[1] + box[2] / 2, "click", 3)
            time.sleep(0.5)
            return self.menu_items() or xdotool("key", "Escape")

        names = wait_until(menu_of_the_field, "a menu in the field")
        self.assertIn("Paste", " ".join(names))
        for browser in ("Back", "Forward", "Reload", "Stop", "Open Link", "Download"):
            self.assertNotIn(browser, " ".join(names))
        xdotool("key", "Escape")

    def menu_items(self):
        """What the menus on the screen offer."""
        return [node.name for window in accessibility.windows(self.pid) for node in window.descendants()
                if node.role == "menu item" and node.has("showing") and node.name != INSPECT]


def xdotool(*words):
    subprocess.run(["xdotool", *(str(int(word)) if isinstance(word, float) else str(word) for word in words)],
                   check=True, timeout=PATIENCE)


class FilesThatWereSetAside(WindowCase):
    """A command of an agent planted one."""

    def setUp(self):
        super().setUp()
        self.planted = self.shell.state.parent / "state-workspace" / "sub" / ".envrc"
        self.page.wait_for_text("Running")
        self.page.click("Chat")
        self.agent = self.shell.start_agent("/run mkdir sub && echo 'export TIDE=1' > sub/.envrc && sleep 1", self)
        self.dialog(dialogs.COMMAND).press_and_close("Run once")
        self.page.wait_for_text("A command planted a file, and it was set aside.")

    def test_the_card_in_the_chat_opens_the_dialog_which_keeps_the_file(self):
        self.assertFalse(self.planted.exists())
        self.assertIn("sub/.envrc", self.page.text())

        self.page.click("Keep\u2026")
        question = self.dialog(dialogs.MESSAGE)
        question.says("Keep this file of an agent?", "File: sub/.envrc", "| export TIDE=1")
        self.assertFalse(self.planted.exists())
        question.press_and_close("Keep")

        wait_until(self.planted.exists, "the file is back")
        self.assertEqual(self.planted.read_text(), "export TIDE=1\n")
        wait_until(lambda: "A command planted a file" not in self.page.text(), "the card is gone")
        self.assertIn("file.kept", [event["kind"] for event in self.shell.audit()])

    def test_the_page_discards_one_after_a_question(self):
        self.page.click("Requests")
        self.page.wait_for_text("Files that were set aside")
        self.page.click("Discard\u2026")
        self.page.wait_for_text("Discard this file for good?")
        self.assertEqual(len(self.shell.json("files", "list")["files"]), 1)
        self.page.click("Discard", whole=True)

        wait_until(lambda: "Files that were set aside" not in self.page.text(), "the section is gone")
        self.assertEqual(self.shell.json("files", "list")["files"], [])
        self.assertFalse(self.planted.exists())

    def test_a_page_that_calls_keep_only_opens_the_dialog(self):
        (file,) = self.shell.json("files", "list")["files"]
        digest = self.shell.json("files", "show", file["id"])["digest"]

        ((_, answer),) = self.call_from_page([("tidegate.files.keep", {"id": file["id"], "digest": digest})])

        self.assertEqual(answer["error"]["details"]["reason"], "DESKTOP_DECIDES", answer)
        self.dialog(dialogs.MESSAGE).says("Keep this file of an agent?").press_and_close("Cancel")
        self.assertFalse(self.planted.exists())
        self.assertEqual(len(self.shell.json("files", "list")["files"]), 1)


if __name__ == "__main__":
    unittest.main()
