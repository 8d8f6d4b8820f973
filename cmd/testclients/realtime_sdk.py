"""The official OpenAI SDK for Python through a gateway: realtime sessions, files, batches, stored responses and media.

Environment: BASE_URL, API_KEY, MODEL. Prints a line per check; exits 1 where one fails.
"""

import base64
import hashlib
import json
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


def call(model):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return json.dumps({"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": body}).encode() + b"\n"


@check("files")
def _():
    sent = [client.files.create(file=("a.txt", words), purpose="user_data").id for words in (b"one", b"two", b"three")]
    assert [file.id for file in client.files.list(limit=2)] == sent[::-1]  # the newest first
    assert [file.id for file in client.files.list(limit=2, order="asc")] == sent
    assert client.files.retrieve(sent[1]).bytes == 3
    assert client.files.content(sent[1]).read() == b"two"
    assert client.files.delete(sent[1]).deleted
    raises(openai.NotFoundError, lambda: client.files.content(sent[1]))


@check("batches")
def _():
    file = client.files.create(file=("calls.jsonl", call(model)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    batch = client.batches.retrieve(batch.id)
    assert batch.status == "completed", batch
    assert json.loads(client.files.content(batch.output_file_id).read())["body"]["model"] == "vendors-own"
    assert [b.id for b in client.batches.list()] == [batch.id]
    err = raises(openai.BadRequestError, lambda: client.files.create(file=("c.jsonl", call("none")), purpose="batch"))
    assert "line 1" in str(err), err


@check("stored responses")
def _():
    first = client.responses.create(model=model, input="one")
    second = client.responses.create(model=model, input="two", previous_response_id=first.id)
    assert second.output_text == "one two", second
    third = client.responses.create(model=model, input=[{"type": "item_reference", "id": second.output[0].id}])
    assert client.responses.retrieve(second.id).output_text == "one two"
    assert [item.content[0].text for item in client.responses.input_items.list(second.id)] == ["one two"]
    assert [e.type for e in client.responses.retrieve(second.id, stream=True, starting_after=0)] == ["response.completed"]
    client.responses.delete(third.id)
    raises(openai.NotFoundError, lambda: client.responses.retrieve(third.id))
    err = raises(openai.NotFoundError, lambda: client.responses.create(model=model, input="x", previous_response_id="resp_none"))
    assert err.code == "previous_response_not_found", err
    raises(openai.NotFoundError, lambda: client.responses.create(model=model, input=[{"type": "item_reference", "id": "msg_none"}]))


@check("background responses")
def _():
    begun = client.responses.create(model=model, input="later", background=True)
    seen = [begun.status]
    while seen[-1] in ("queued", "in_progress"):
        begun = client.responses.retrieve(begun.id)
        seen.append(begun.status)
    assert seen == ["queued", "in_progress", "completed"] and begun.output_text == "later", seen
    other = client.responses.create(model=model, input="never", background=True)
    assert client.responses.cancel(other.id).status == "cancelled"


@check("conversations")
def _():
    talk = client.conversations.create(items=[{"type": "message", "role": "user", "content": "before"}])
    assert client.responses.create(model=model, input="now", conversation=talk.id).output_text == "before now"
    assert client.conversations.retrieve(talk.id).id == talk.id
    client.conversations.items.create(talk.id, items=[{"type": "message", "role": "user", "content": "x"}])
    assert [item.content[0].text for item in client.conversations.items.list(talk.id, limit=5)] == ["before"]
    assert client.conversations.delete(talk.id).deleted
    raises(openai.NotFoundError, lambda: client.conversations.retrieve(talk.id))
    raises(openai.NotFoundError, lambda: client.responses.create(model=model, input="x", conversation="conv_none"))


sound = os.urandom(3 << 20)  # more of it than the gateway keeps in memory
sum = hashlib.sha256(sound).hexdigest()


@check("completions")
def _():
    assert client.completions.create(model=model, prompt="once upon").choices[0].text == "once upon"
    assert "".join(c.choices[0].text for c in client.completions.create(model=model, prompt="once upon", stream=True)) == "once upon!"
    raises(openai.NotFoundError, lambda: client.completions.create(model="none", prompt="once upon"))


@check("moderations")
def _():
    for text in ("good", "bad"):
        assert client.moderations.create(model=model, input=text).results[0].flagged == (text == "bad")


@check("images")
def _():
    answer = client.images.generate(model=model, prompt="a fox")
    assert base64.b64decode(answer.data[0].b64_json) == b"a fox"
    answer = client.images.edit(model=model, prompt="a fox", image=("a.png", sound, "image/png"))
    assert base64.b64decode(answer.data[0].b64_json).decode() == "a fox " + sum
    raises(openai.NotFoundError, lambda: client.images.edit(model="none", prompt="a fox", image=("a.png", sound, "image/png")))


@check("speech, transcriptions, translations")
def _():
    assert client.audio.speech.create(model=model, voice="alloy", input="hello").read() == b"\xff\xf3hello"
    assert client.audio.transcriptions.create(model=model, file=("a.wav", sound)).text == sum
    assert client.audio.translations.create(model=model, file=("a.wav", sound)).text == sum
    events = client.audio.transcriptions.create(model=model, file=("a.wav", sound), stream=True)
    assert "".join(e.delta for e in events if e.type == "transcript.text.delta") == sum


@check("an upload with a wrong key")
def _():
    stranger = openai.OpenAI(api_key="wrong", **options)
    for file in (sound, os.urandom(20 << 20)):
        raises(openai.AuthenticationError, lambda: stranger.audio.transcriptions.create(model=model, file=("a.wav", file)))


end()
