"""What the scripts for Python share: a line per check, and the end of the program."""

import json
import os
import sys
import traceback
import urllib.request

failed = 0


def check(name):
    def run(test):
        global failed
        try:
            test()
            print(f"ok   python: {name}")
        except Exception:
            failed += 1
            print(f"FAIL python: {name}: {traceback.format_exc()}")

    return run


def raises(kind, call, what=""):
    try:
        call()
    except kind as err:
        return err
    raise AssertionError(f"{what} no {kind.__name__}")


def cancelled():
    """The calls that the mock upstream saw its clients leave."""
    with urllib.request.urlopen(os.environ["MOCK_URL"] + "/__stats") as answer:
        return json.load(answer)["cancelled"]


def last():
    """The body of the last call that the mock upstream got."""
    with urllib.request.urlopen(os.environ["MOCK_URL"] + "/__last") as answer:
        return json.load(answer)["body"]


def end():
    sys.exit(1 if failed else 0)
