"""What a device with permission to manage pairing decides: the person hears of it."""

from programs_and_commands_test import AgentCase
from desktop_case import DesktopCase
from waiting import PATIENCE, never_within, wait_until
from words import ADMIN, APPROVALS, PAIRING, READ


class Doorkeepers(DesktopCase):
    """A device that manages pairing."""

    def test_the_person_hears_what_it_decides_in_our_words_without_buttons(self):
        self.start_until_ready()
        doorkeeper = self.device(displayName="Doorkeeper")
        self.approve(doorkeeper, READ, PAIRING)
        self.notifications.wait_until_empty()
        stranger = self.device(2, displayName="Stranger").request_pairing(READ)
        doorkeeper.call("device.pair.approve", requestId=stranger.request_id)

        told = self.notifications.wait_for(
            lambda: [shown for shown in self.notifications.on_screen.values() if "has approved" in shown.body],
            "the notification",
        )[0]

        self.assertEqual(told.title, "Tidegate: decided without you")
        self.assertEqual(
            told.body,
            "A client with permission to manage pairing has approved 1 device or program. Look at Devices.",
        )
        self.assertEqual(told.actions, {})

    def test_the_persons_own_decision_is_not_told(self):
        self.start_until_ready()
        doorkeeper = self.device(displayName="Doorkeeper")
        self.approve(doorkeeper, READ, PAIRING)
        beyond = self.device(2, displayName="Administrator").request_pairing(ADMIN)

        refused = doorkeeper.refused_call("device.pair.approve", requestId=beyond.request_id)
        self.review().press_and_close("Reject")

        self.assertIn(ADMIN, refused.error["message"])
        # Longer than a notification is held back.
        never_within(
            lambda: [shown for shown in self.notifications.sent if "permission to manage pairing" in shown.body],
            "it was told", 6,
        )


class AgentRequests(AgentCase):
    """A device that may decide about commands of agents."""

    def setUp(self):
        super().setUp()
        self.start_until_ready()
        self.client = self.device(displayName="Phone")
        self.approve(self.client, READ, APPROVALS)
        self.notifications.wait_until_empty()

    def test_its_decisions_for_an_agent_are_notified(self):
        for decision, word in (("allow-once", "approved"), ("deny", "denied")):
            running = self.agent("/run true")
            waiting = wait_until(lambda: self.client.call("exec.approval.list"), "the command waits")

            self.client.call("exec.approval.resolve", id=waiting[0]["id"], decision=decision)

            body = f"A client with permission to decide about commands {word} 1 request of an agent. Look at Requests."
            told = self.notifications.wait_for(
                lambda: [shown for shown in self.notifications.on_screen.values() if body in shown.body],
                "the notification",
            )[0]
            self.assertEqual((told.title, told.actions), ("Tidegate: decided without you", {}))
            running.communicate(timeout=PATIENCE)
            self.notifications.expire(told)

    def test_the_persons_decision_in_the_dialog_is_not_notified(self):
        running = self.agent("/run true")

        self.dialog("Tidegate: command request").press_and_close("Run once")

        running.communicate(timeout=PATIENCE)
        never_within(
            lambda: [shown for shown in self.notifications.sent if "decide about commands" in shown.body],
            "it was told", 6,
        )
