"""The official OpenAI SDK for Python in a realtime session through a gateway.

Environment: BASE_URL, API_KEY, MODEL. Prints a line per check; exits 1 where one fails.
"""

import os

import openai
import websockets

from checks import check, end, raises

options = {"base_url": os.environ["BASE_URL"] + "/v1", "max_retries": 0, "timeout": 60}
client = openai.OpenAI(api_key=os.environ["API_KEY"], **options)
model = os.environ["MODEL"]


@check("realtime, a session")
def _():
    with client.realtime.connect(model=model) as session:
        assert session.recv().type == "session.created"
        session.session.update(session={"type": "realtime", "model": model, "output_modalities": ["text"]})
        assert session.recv().type == "session.updated"
        for words in ("one two", "three"):
            session.conversation.item.create(
                item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": words}]}
            )
            session.response.create()
            text = ""
            while (event := session.recv()).type != "response.done":
                text += event.delta
            assert text == words, text
            assert event.response.usage.total_tokens == 7, event


def refused(client, model):
    def call():
        with client.realtime.connect(model=model):
            pass

    return raises(websockets.exceptions.InvalidStatus, call).response.status_code


@check("realtime, a wrong key")
def _():
    assert refused(openai.OpenAI(api_key="wrong", **options), model) == 401


@check("realtime, an unknown model")
def _():
    assert refused(client, "no-such-model") == 404


end()
