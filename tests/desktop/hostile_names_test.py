"""Names that are chosen to deceive are shown literally, and nothing else of the dialog changes."""

import unicodedata
import unittest

from desktop_case import DesktopCase
from words import READ, SENTENCES

# What a device calls itself, and what must be seen of it.
NAMES = {
    "format strings": ("%s%n%d {0} {} ${HOME} $(id)", "%s%n%d {0} {} ${HOME} $(id)"),
    "markup": ('<b>x</b> & " <a href="file:///">y</a> &lt;', '<b>x</b> & " <a href="file:///">y</a> &lt;'),
    "reversed text": ("photo\u202egnp.exe", "photo\\u{202e}gnp.exe"),
    "invisible characters": ("Lap\u200btop\u2066\u2069", "Lap\\u{200b}top\\u{2066}\\u{2069}"),
    "terminal sequences": ("\x1b[31mred\x1b]0;title\x07", "\\u{1b}[31mred\\u{1b}]0;title\\u{7}"),
    "a NUL in the middle": ("before\0after", "before\\u{0}after"),
    "line breaks": ("Phone\nFingerprint: trusted", "Phone\\u{a}Fingerprint: trusted"),
    "tags that hide letters": ("x\U000e0041\U000e007f", "x\\u{e0041}\\u{e007f}"),
    "letters that look alike": ("\u041eperator", "\u041eperator"),
    "underscores, which mark keys": ("_Approve __now", "_Approve __now"),
    "ten thousand letters": ("x" * 10_000, None),
}


class HostileNames(DesktopCase):
    """Each in the dialog of a request."""

    def test_they_appear_literally_and_the_rest_of_the_dialog_stands(self):
        item = self.start_until_ready()
        for number, (what, (name, seen)) in enumerate(NAMES.items(), start=1):
            with self.subTest(what):
                device = self.device(number, displayName=name)
                try:
                    refused = device.request_pairing(READ)
                except AssertionError as error:
                    self.fail(f"{error}")
                except Exception as error:
                    # A name may be refused as a whole; then nothing is shown of it.
                    self.assertEqual(getattr(error, "code", None), "INVALID_REQUEST", error)
                    self.assertEqual(self.shell.waiting(), [])
                    continue
                if refused.code == "INVALID_REQUEST":
                    self.assertEqual(self.shell.waiting(), [])
                    continue
                dialog = self.review_from_tray(item)

                dialog.says(SENTENCES[READ], refused.request_id[:8])
                self.assertTrue(dialog.value_of("Fingerprint"))
                shown = dialog.value_of("Claimed name")
                if seen is None:
                    self.assertLess(len(shown), 200)
                else:
                    self.assertEqual(shown, seen)
                self.assertEqual(dialog.title, "Tidegate: pairing request")
                for text in dialog.texts():
                    hidden = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Zl", "Zp")]
                    self.assertEqual(hidden, [], f"{text!r} holds characters that cannot be seen")
                for text in [*item.texts(), *(shown.title + shown.body for shown in self.notifications.sent)]:
                    self.assertNotIn(name[:6], text)
                dialog.press_and_close("Reject")
                self.wait_for_waiting(0)


if __name__ == "__main__":
    unittest.main()
