"""``recsys demo``: it prints an address that answers at once, and ends when it is told to."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request


def test_the_verb_serves_the_page(tmp_path):
    words = [sys.executable, "-m", "recsys", "demo", "--port", "0", "--shoppers", "20", "--folder", str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "http://" in line)
        address = next(word for word in said.split() if word.startswith("http://127.0.0.1:"))
        with urllib.request.urlopen(address) as answer:
            assert b"/page/main.js" in answer.read()
        with urllib.request.urlopen(f"{address}demo/session") as answer:
            assert json.load(answer)["shop"]["state"] in ("preparing", "ready")
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130), process.stdout.read()
