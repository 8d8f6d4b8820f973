"""The official SDKs for Python of OpenAI, Anthropic and Google, each against models of every dialect.

Environment: BASE_URL, API_KEY. Prints a line per check; exits 1 where one fails.
"""

import base64
import json
import os

import anthropic
import openai
from google import genai
from google.genai import errors, types

from checks import check, end, last, raises

base, key = os.environ["BASE_URL"], os.environ["API_KEY"]
upstreams = ["openai", "responses", "anthropic", "gemini"]
callers = ["anthropic", "responses"]  # the mock calls tools in these dialects
parameters = {"type": "object", "properties": {"animal": {"type": "string"}, "legs": {"type": "integer"}}}
hello = [{"role": "user", "content": "hello"}]
pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
schema = {**parameters, "required": ["animal"], "additionalProperties": False}

oai = openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0, timeout=60)
claude = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0, timeout=60)
google = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base, timeout=60000))


class Chat:
    failure = openai.APIError

    def text(self, model):
        return oai.chat.completions.create(model=model, messages=hello).choices[0].message.content

    def stream(self, model):
        return "".join(c.choices[0].delta.content or "" for c in oai.chat.completions.create(model=model, messages=hello, stream=True) if c.choices)

    def call(self, model):
        tools = [{"type": "function", "function": {"name": "lookup", "parameters": parameters}}]
        message = oai.chat.completions.create(model=model, messages=hello, tools=tools).choices[0].message
        call = message.tool_calls[0]
        result = {"role": "tool", "tool_call_id": call.id, "content": "four"}
        oai.chat.completions.create(model=model, messages=[*hello, message, result], tools=tools)
        return call.function.name, json.loads(call.function.arguments)

    def see(self, model):
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + pixel}}
        oai.chat.completions.create(model=model, messages=[{"role": "user", "content": [{"type": "text", "text": "what?"}, image]}])

    def form(self, model):
        oai.chat.completions.create(model=model, messages=hello, response_format={"type": "json_schema", "json_schema": {"name": "animal", "schema": schema}})


class Responses:
    failure = openai.APIError

    def text(self, model):
        return oai.responses.create(model=model, input="hello", store=False).output_text

    def stream(self, model):
        text, done = "", False
        for event in oai.responses.create(model=model, input="hello", store=False, stream=True):
            if event.type == "response.output_text.delta":
                text += event.delta
            done = done or event.type == "response.completed"
            if event.type in ("response.failed", "error"):
                raise openai.APIError("failed", None, body=None)
        assert done, "it never completed"
        return text

    def call(self, model):
        tools = [{"type": "function", "name": "lookup", "parameters": parameters, "strict": False}]
        call = next(o for o in oai.responses.create(model=model, input="hello", tools=tools, store=False).output if o.type == "function_call")
        result = {"type": "function_call_output", "call_id": call.call_id, "output": "four"}
        oai.responses.create(model=model, input=[*hello, call, result], tools=tools, store=False)
        return call.name, json.loads(call.arguments)

    def see(self, model):
        image = {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64," + pixel}
        oai.responses.create(model=model, store=False, input=[{"role": "user", "content": [image]}])

    def form(self, model):
        oai.responses.create(model=model, store=False, input="hello", text={"format": {"type": "json_schema", "name": "animal", "schema": schema}})


class Messages:
    failure = anthropic.APIError

    def text(self, model):
        return claude.messages.create(model=model, max_tokens=99, messages=hello).content[0].text

    def stream(self, model):
        with claude.messages.stream(model=model, max_tokens=99, messages=hello) as stream:
            return stream.get_final_text()

    def call(self, model):
        tools = [{"name": "lookup", "input_schema": parameters}]
        answer = claude.messages.create(model=model, max_tokens=99, messages=hello, tools=tools)
        call = next(c for c in answer.content if c.type == "tool_use")
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "four"}]}
        claude.messages.create(model=model, max_tokens=99, messages=[*hello, {"role": "assistant", "content": answer.content}, result], tools=tools)
        return call.name, call.input

    def see(self, model):
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": pixel}}
        claude.messages.create(model=model, max_tokens=99, messages=[{"role": "user", "content": [image]}])

    def form(self, model):
        claude.messages.create(model=model, max_tokens=99, messages=hello, output_config={"format": {"type": "json_schema", "schema": schema}})


class Google:
    failure = errors.APIError

    def text(self, model):
        return google.models.generate_content(model=model, contents="hello").text

    def stream(self, model):
        return "".join(c.text or "" for c in google.models.generate_content_stream(model=model, contents="hello"))

    def call(self, model):
        lookup = types.FunctionDeclaration(name="lookup", parameters_json_schema=parameters)
        config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[lookup])])
        ask = types.Content(role="user", parts=[types.Part(text="hello")])
        answer = google.models.generate_content(model=model, contents=[ask], config=config)
        call = answer.function_calls[0]
        result = types.Part(function_response=types.FunctionResponse(id=call.id, name=call.name, response={"output": "four"}))
        google.models.generate_content(model=model, contents=[ask, answer.candidates[0].content, types.Content(role="user", parts=[result])], config=config)
        return call.name, call.args

    def see(self, model):
        image = types.Part.from_bytes(data=base64.b64decode(pixel), mime_type="image/png")
        google.models.generate_content(model=model, contents=[image, "what?"])

    def form(self, model):
        config = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=schema)
        google.models.generate_content(model=model, contents="hello", config=config)


def speaks(client, up):
    text, streamed = client.text(up + "-mock"), client.stream(up + "-mock")
    assert text.startswith("The quick brown fox"), text
    assert streamed.startswith("token000 token001 ") and streamed.endswith("token049 "), streamed
    client.see(up + "-mock")
    assert pixel in (last().replace("-", "+") if up == "gemini" else last()), last()  # whose own SDK writes base64url
    client.form(up + "-mock")
    assert "legs" in last(), last()


def calls(client, up):
    name, arguments = client.call(up + "-mock")
    assert "four" in last() and "fox" in last(), "the result did not arrive: " + last()
    assert (name, dict(arguments)) == ("lookup", {"animal": "fox", "legs": 4}), (name, arguments)


# An upstream that refuses the gateway's key is none of the client's.
failures = {"401": 502, "429": 429, "500": 500, "529": 529, "html500": 500, "badjson": 502, "empty": 502, "reset": 503, "cut": 502}


def fails(client, up):
    for model, status in [("none", 404)] + [(f"{up}-mock+fault={fault}", status) for fault, status in failures.items()]:
        for way in (client.text, client.stream):
            err = raises(client.failure, lambda: way(model), model)
            assert (getattr(err, "status_code", None) or err.code) == status, (model, way, err)
    for cut in ("sse-cut", "sse-reset", "sse-error", "sse-bad"):
        raises(client.failure, lambda: client.stream(f"{up}-mock+fault={cut}"), cut)


for client in (Chat(), Responses(), Messages(), Google()):
    name = type(client).__name__.lower()
    for up in upstreams:
        check(f"{name} to {up}: whole, streamed, an image, a schema")(lambda: speaks(client, up))
        if up in callers:
            check(f"{name} to {up}: a tool, and its result")(lambda: calls(client, up))
        check(f"{name} to {up}: what fails is an error")(lambda: fails(client, up))
    check(f"{name}: a stream that falls silent is an error")(lambda: raises(client.failure, lambda: client.stream("silent-mock")))


def counts():
    assert claude.messages.count_tokens(model="gemini-mock", messages=hello).input_tokens > 0
    assert google.models.count_tokens(model="anthropic-mock", contents="hello").total_tokens == 19
    assert oai.responses.input_tokens.count(model="anthropic-mock", input="hello").input_tokens == 19


def embeddings():
    assert len(oai.embeddings.create(model="gemini-mock", input=["one", "two"]).data) == 2
    assert len(google.models.embed_content(model="openai-mock", contents=["one", "two"]).embeddings) == 2


check("embeddings: openai to gemini, google to openai")(embeddings)
check("tokens are counted: anthropic by gemini, google by anthropic, openai by anthropic")(counts)
end()
