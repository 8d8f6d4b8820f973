"""The official OpenAI SDK for Python against a gateway.

Environment: BASE_URL, API_KEY, MODEL. Prints a line per check; exits 1 where one fails.
"""

import os

import openai

from checks import check, end, raises

base_url, model = os.environ["BASE_URL"], os.environ["MODEL"]
client = openai.OpenAI(base_url=base_url, api_key=os.environ["API_KEY"], max_retries=0, timeout=60)
say = [{"role": "user", "content": "one two three four"}]


@check("chat, unary")
def _():
    answer = client.chat.completions.create(model=model, messages=say)
    assert answer.choices[0].message.content == "one two three four", answer
    assert answer.choices[0].finish_reason == "stop", answer
    assert answer.usage.total_tokens > 0, answer
    assert answer._request_id.startswith("req_"), answer._request_id


@check("chat, streaming, with usage")
def _():
    stream = client.chat.completions.create(
        model=model, messages=say, stream=True, stream_options={"include_usage": True}
    )
    text, finish, usage, chunks = "", None, None, 0
    for chunk in stream:
        chunks += 1
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            finish = chunk.choices[0].finish_reason or finish
        usage = chunk.usage or usage
    assert (text, finish) == ("one two three four", "stop"), (text, finish)
    assert usage.total_tokens > 0
    assert chunks >= 4, chunks


@check("chat, a stream that is left")
def _():
    with client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "a " * 500}], stream=True
    ) as stream:
        next(iter(stream))


@check("embeddings")
def _():
    answer = client.embeddings.create(model=model, input=["one", "two"])
    assert len(answer.data) == 2 and isinstance(answer.data[0].embedding[0], float), answer


@check("models")
def _():
    assert model in [m.id for m in client.models.list()]
    assert client.models.retrieve(model).id == model


@check("an unknown model is NotFoundError")
def _():
    err = raises(
        openai.NotFoundError,
        lambda: client.chat.completions.create(model="no-such-model", messages=say),
    )
    assert err.request_id


@check("a wrong key is AuthenticationError")
def _():
    other = openai.OpenAI(base_url=base_url, api_key="wrong", max_retries=0)
    raises(openai.AuthenticationError, other.models.list)


@check("a limit is RateLimitError")
def _():
    err = raises(
        openai.RateLimitError,
        lambda: client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "echo:429"}]
        ),
    )
    assert err.response.headers["retry-after"]


@check("a cut stream is an error")
def _():
    def read():
        stream = client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": "echo:cut one two three four five six"}],
            stream=True,
        )
        for _ in stream:
            pass

    raises(openai.APIError, read)


end()
