"""The official Google Gen AI SDK for Python against a gateway.

Environment: BASE_URL, API_KEY, MODEL, and MOCK_URL of the upstream behind it. Prints a line per check;
exits 1 where one fails.
"""

import os
import time

from google import genai
from google.genai import errors, types

from checks import cancelled, check, end, raises

base_url, model = os.environ["BASE_URL"], os.environ["MODEL"]


def connect(key):
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base_url, timeout=60_000))


client = connect(os.environ["API_KEY"])


def refused(kind, code, call):
    err = raises(kind, call)
    assert err.code == code, err
    return err


def read(model):
    return "".join(chunk.text or "" for chunk in client.models.generate_content_stream(model=model, contents="hello"))


@check("generate, unary")
def _():
    answer = client.models.generate_content(
        model=model,
        contents="hello",
        config=types.GenerateContentConfig(system_instruction="be terse", max_output_tokens=5),
    )
    assert answer.text.startswith("The quick brown fox"), answer
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP, answer
    assert answer.usage_metadata.total_token_count == 249, answer
    assert answer.sdk_http_response.headers["x-request-id"].startswith("req_"), answer.sdk_http_response.headers


@check("generate, streaming")
def _():
    text, finish, usage = "", None, None
    for chunk in client.models.generate_content_stream(model=model, contents="hello"):
        text += chunk.text or ""
        finish = chunk.candidates[0].finish_reason or finish
        usage = chunk.usage_metadata or usage
    assert text.startswith("token000 token001 ") and text.endswith("token049 "), text
    assert finish == types.FinishReason.STOP, finish
    assert usage.total_token_count == 69, usage


@check("a stream that is left")
def _():
    before = cancelled()
    stream = client.models.generate_content_stream(model="mock+gap=50ms+chunks=1000", contents="hello")
    next(stream)
    stream.close()
    client.close()
    for _ in range(300):
        if cancelled() > before:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the upstream's call goes on")


client = connect(os.environ["API_KEY"])


@check("tokens, embeddings")
def _():
    assert client.models.count_tokens(model=model, contents="hello").total_tokens == 19
    answer = client.models.embed_content(model=model, contents=["one", "two"])
    assert len(answer.embeddings) == 2 and isinstance(answer.embeddings[0].values[0], float), answer


@check("models")
def _():
    assert "models/" + model in [m.name for m in client.models.list(config={"query_base": True})]
    assert client.models.get(model=model).name == "models/" + model


@check("an unknown model is a ClientError")
def _():
    err = refused(
        errors.ClientError, 404, lambda: client.models.generate_content(model="no-such-model", contents="hello")
    )
    assert err.status == "NOT_FOUND", err


@check("a wrong key is a ClientError")
def _():
    other = connect("wrong")  # a client without a name is closed at once
    refused(errors.ClientError, 401, lambda: other.models.generate_content(model=model, contents="hello"))


@check("a limit is a ClientError, unary and streaming")
def _():
    limited = "mock+fault=429"
    refused(errors.ClientError, 429, lambda: client.models.generate_content(model=limited, contents="hello"))
    refused(errors.ClientError, 429, lambda: read(limited))


@check("an upstream's failure is a ServerError")
def _():
    refused(errors.ServerError, 500, lambda: client.models.generate_content(model="mock+fault=500", contents="hello"))


@check("a stream that breaks is an error")
def _():
    refused(errors.APIError, 502, lambda: read("mock+fault=sse-cut"))
    refused(errors.APIError, 502, lambda: read("mock+fault=sse-reset"))
    refused(errors.APIError, 500, lambda: read("mock+fault=sse-error"))


end()
