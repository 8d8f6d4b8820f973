"""The official Anthropic SDK for Python against a mock of Anthropic behind a gateway.

Environment: BASE_URL, API_KEY, MOCK_URL. Prints a line per check; exits 1 where one fails.
"""

import os
import time

import anthropic

from checks import cancelled, check, end, raises

base_url = os.environ["BASE_URL"]
client = anthropic.Anthropic(base_url=base_url, api_key=os.environ["API_KEY"], max_retries=0, timeout=60)
ask = dict(max_tokens=2048, messages=[{"role": "user", "content": "hello"}])
tools = [{"name": "lookup", "description": "looks up", "input_schema": {"type": "object", "properties": {}}}]
rich = dict(ask, tools=tools, thinking={"type": "enabled", "budget_tokens": 1024})


def read(model):
    with client.messages.create(model=model, stream=True, **ask) as stream:
        return [event.type for event in stream]


@check("a message")
def _():
    answer = client.messages.create(model="mock", **ask)
    assert answer.content[0].text.startswith("The quick brown fox"), answer
    assert (answer.stop_reason, answer.usage.input_tokens) == ("end_turn", 19), answer
    assert answer._request_id.startswith("req_0"), answer._request_id


@check("a stream, put together by the SDK")
def _():
    for model in ("mock", "mock+fault=sse-noise", "mock+fault=sse-split"):
        with client.messages.stream(model=model, **ask) as stream:
            text = "".join(stream.text_stream)
            answer = stream.get_final_message()
        assert text == answer.content[0].text and text.startswith("token000 token001"), text
        assert answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0, answer


@check("thinking and a tool's call, whole and as a stream")
def _():
    whole = client.messages.create(model="mock", **rich)
    with client.messages.stream(model="mock", **rich) as stream:
        streamed = stream.get_final_message()
    for answer in (whole, streamed):
        assert [b.type for b in answer.content] == ["thinking", "text", "tool_use"], answer
        assert answer.content[0].signature == "bW9jaw==", answer
        assert answer.content[2].input == {"animal": "fox", "legs": 4}, answer
        assert answer.stop_reason == "tool_use", answer


@check("a stream that is left is cancelled upstream")
def _():
    before = cancelled()
    with client.messages.create(model="mock+gap=50ms+chunks=1000", stream=True, **ask) as stream:
        next(iter(stream))
    end = time.monotonic() + 60
    while cancelled() == before:
        assert time.monotonic() < end, "the upstream's call goes on"
        time.sleep(0.01)


@check("counting tokens, and the beta form")
def _():
    assert client.messages.count_tokens(model="mock", messages=ask["messages"]).input_tokens == 19
    assert client.beta.messages.create(model="mock", betas=["a-2025-01-01"], **ask).content[0].type == "text"


@check("models")
def _():
    assert "mock" in [m.id for m in client.models.list()]
    assert client.models.retrieve("mock").type == "model"


@check("errors are those of the vendor")
def _():
    for model, kind, status, error in (
        ("none", anthropic.NotFoundError, 404, "not_found_error"),
        ("mock+fault=429", anthropic.RateLimitError, 429, "rate_limit_error"),
        ("mock+fault=529", anthropic.InternalServerError, 529, "overloaded_error"),
        ("mock+fault=html500", anthropic.InternalServerError, 500, "api_error"),
        ("mock+fault=401", anthropic.InternalServerError, 502, "api_error"),
    ):
        err = raises(kind, lambda: client.messages.create(model=model, **ask))
        assert err.status_code == status and err.body["error"]["type"] == error, (model, err.status_code, err.body)
        assert err.request_id, model
    err = raises(anthropic.BadRequestError, lambda: client.messages.create(model="mock", extra_body={"stream": "yes"}, **ask))
    assert err.body["error"]["type"] == "invalid_request_error", err.body
    err = raises(
        anthropic.PermissionDeniedError,
        lambda: client.messages.create(
            model="mock",
            max_tokens=1,
            messages=[{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]}],
        ),
    )
    assert err.body["error"]["type"] == "permission_error", err.body


@check("a wrong key is AuthenticationError")
def _():
    other = anthropic.Anthropic(base_url=base_url, api_key="wrong", max_retries=0)
    raises(anthropic.AuthenticationError, other.models.list)
    raises(anthropic.AuthenticationError, lambda: other.messages.create(model="mock", **ask))


@check("a broken stream is an error")
def _():
    for model in ("mock+fault=sse-cut", "mock+fault=sse-reset", "mock+fault=sse-error", "mock+fault=sse-bad"):
        err = raises(anthropic.APIStatusError, lambda: read(model))
        assert err.body["error"]["type"] in ("api_error", "overloaded_error"), (model, err.body)


end()
