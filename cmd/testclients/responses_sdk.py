"""The official OpenAI SDK for Python, its Responses, against a mock of OpenAI behind a gateway.

Environment: BASE_URL, API_KEY, MOCK_URL. Prints a line per check; exits 1 where one fails.
"""

import os
import time

import openai

from checks import cancelled, check, end, raises

client = openai.OpenAI(base_url=os.environ["BASE_URL"] + "/v1", api_key=os.environ["API_KEY"], max_retries=0, timeout=60)
tools = [{"type": "function", "name": "lookup", "description": "looks up", "parameters": {"type": "object", "properties": {}}, "strict": False}]
rich = dict(input="hello", instructions="be brief", tools=tools, reasoning={"effort": "low", "summary": "auto"})


def read(model):
    return [event for event in client.responses.create(model=model, input="hello", stream=True)]


@check("responses: unary")
def _():
    answer = client.responses.create(model="mock", **rich)
    assert answer.output_text.startswith("The quick brown fox"), answer
    assert [item.type for item in answer.output] == ["reasoning", "message", "function_call"], answer
    assert answer.output[2].arguments == '{"animal":"fox","legs":4}', answer
    assert answer.usage.total_tokens > 0 and answer.status == "completed", answer
    assert answer._request_id.startswith("req_"), answer._request_id


@check("responses: streaming")
def _():
    for model in ["mock", "mock+fault=sse-noise", "mock+fault=sse-split+chunks=3"]:
        events = read(model)
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        assert text.startswith("token000 token001 "), (model, text)
        done = events[-1]
        assert done.type == "response.completed" and done.response.output_text == text, (model, done)


@check("responses: streaming, put together")
def _():
    with client.responses.stream(model="mock", **rich) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_response()
    assert "response.reasoning_summary_text.delta" in kinds and "response.function_call_arguments.delta" in kinds, kinds
    assert final.output[2].arguments == '{"animal":"fox","legs":4}' and final.output_text.endswith("token049 "), final


@check("responses: the count of input tokens")
def _():
    assert client.responses.input_tokens.count(model="mock", input="hello").input_tokens == 19


@check("responses: an unknown model is NotFoundError")
def _():
    err = raises(openai.NotFoundError, lambda: client.responses.create(model="none", input="hello"))
    assert err.code == "model_not_found" and err.request_id, err


@check("responses: what is not stored: NotFoundError")
def _():
    raises(openai.NotFoundError, lambda: client.responses.retrieve("resp_1"))
    raises(openai.NotFoundError, lambda: client.responses.cancel("resp_1"))
    raises(openai.NotFoundError, lambda: client.responses.delete("resp_1"))


@check("responses: wrong types are BadRequestError")
def _():
    raises(openai.BadRequestError, lambda: client.responses.create(model="mock", input="hello", stream="yes"))


@check("responses: a wrong key is AuthenticationError")
def _():
    other = openai.OpenAI(base_url=os.environ["BASE_URL"] + "/v1", api_key="wrong", max_retries=0)
    raises(openai.AuthenticationError, lambda: other.responses.create(model="mock", input="hello"))


@check("responses: a limit is RateLimitError")
def _():
    err = raises(openai.RateLimitError, lambda: client.responses.create(model="mock+fault=429", input="hello"))
    assert err.response.headers["retry-after"] == "1", err.response.headers


@check("responses: a broken upstream is InternalServerError")
def _():
    raises(openai.InternalServerError, lambda: client.responses.create(model="mock+fault=500", input="hello"))


@check("responses: a stream that breaks off is an error")
def _():
    for model in ["mock+fault=sse-cut", "mock+fault=sse-reset", "mock+fault=sse-bad"]:
        err = raises(openai.APIError, lambda: read(model))
        assert err.code == "upstream_cut", (model, err)


@check("responses: an error that the upstream sends in a stream comes as it is")
def _():
    last = read("mock+fault=sse-error")[-1]
    assert last.type == "error" and last.message == "mock mid-stream" and last.code == "server_error", last


@check("responses: a stream that is left ends at the upstream")
def _():
    before = cancelled()
    with client.responses.create(model="mock+gap=50ms+chunks=1000", input="hello", stream=True) as stream:
        next(iter(stream))
    end = time.monotonic() + 30
    while cancelled() == before:
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.02)


end()
