"""The official SDKs for Python of OpenAI, Anthropic and Google, each reading what vendors of every dialect were
recorded to say.

Environment: BASE_URL, API_KEY; RECORDED is a file with what is expected; at MOCK_URL the recordings are without a
gateway. Prints a line per SDK and vendor; exits 1 where one fails.
"""

import json
import os

import anthropic
import openai
from google import genai
from google.genai import types

from checks import check, end

key = os.environ["API_KEY"]
hello = [{"role": "user", "content": "hello"}]
with open(os.environ["RECORDED"]) as file:
    recordings = json.load(file)


def chat(base):
    client = openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0, timeout=60)

    def read(model, stream):
        if stream:
            return gathered(client.chat.completions.create(model=model, messages=hello, stream=True))
        message = client.chat.completions.create(model=model, messages=hello).choices[0].message
        return (message.content or "") + (message.refusal or ""), [of(c) for c in message.tool_calls or []]

    def of(call):
        return (call.function.name, call.function.arguments) if call.type == "function" else (call.custom.name, call.custom.input)

    def gathered(chunks):
        """The SDK's own accumulator raises where the limit or a filter ended the answer."""
        text, calls = "", {}
        for delta in (c.choices[0].delta for c in chunks if c.choices):
            text += (delta.content or "") + (delta.refusal or "")
            for c in delta.tool_calls or []:
                f = c.function or openai.types.chat.chat_completion_chunk.ChoiceDeltaToolCallFunction()
                name, arguments = calls.get(c.index, ("", ""))
                calls[c.index] = (name + (f.name or ""), arguments + (f.arguments or ""))
        return text, list(calls.values())

    return read


def responses(base):
    client = openai.OpenAI(base_url=base + "/v1", api_key=key, max_retries=0, timeout=60)

    def read(model, stream):
        if stream:
            events = list(client.responses.create(model=model, input="hello", store=False, stream=True))
            if events[-1].type == "error":
                raise ValueError(events[-1].message)
            answer = events[-1].response  # the SDK's own helper knows no answer that the limit ended
        else:
            answer = client.responses.create(model=model, input="hello", store=False)
        if answer.status == "failed":
            raise ValueError(answer.error)
        text = "".join(c.text if c.type == "output_text" else c.refusal for o in answer.output if o.type == "message" for c in o.content)
        calls = [(o.name, o.arguments if o.type == "function_call" else o.input) for o in answer.output if o.type in ("function_call", "custom_tool_call")]
        return text, calls

    return read


def messages(base):
    client = anthropic.Anthropic(base_url=base, api_key=key, max_retries=0, timeout=60)

    def read(model, stream):
        if stream:
            with client.messages.stream(model=model, max_tokens=99, messages=hello) as events:
                answer = events.get_final_message()
        else:
            answer = client.messages.create(model=model, max_tokens=99, messages=hello)
        return "".join(c.text for c in answer.content if c.type == "text"), [(c.name, c.input) for c in answer.content if c.type == "tool_use"]

    return read


def google(base):
    client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base, timeout=60000))

    def read(model, stream):
        if stream:
            answers = list(client.models.generate_content_stream(model=model, contents="hello"))
        else:
            answers = [client.models.generate_content(model=model, contents="hello")]
        parts = [p for a in answers if a.candidates and a.candidates[0].content for p in a.candidates[0].content.parts or []]
        return "".join(p.text or "" for p in parts if not p.thought), [(p.function_call.name, p.function_call.args or {}) for p in parts if p.function_call]

    return read


def value(arguments):
    try:
        return json.loads(arguments or "{}") if isinstance(arguments, str) else arguments or {}
    except ValueError:
        return arguments.strip()


def plain(text, calls):
    """Makes what was expected and what was read comparable."""
    return text.strip(), [(name, value(arguments)) for name, arguments in calls or []]


def differs(read, want):
    """Says what is wrong with what a client reads of a recording; "" is nothing."""
    try:
        got = plain(*read(want["model"], want["stream"]))
    except Exception as err:
        return "" if want["fails"] else repr(err)
    if want["fails"]:
        return f"no error, but {got}"
    wanted = plain(want["text"], want["calls"])
    return "" if got == wanted else f"{got}, want {wanted}"


def judge(wrong):
    assert not wrong, "\n  " + "\n  ".join(wrong)


for dialect, at in {"openai": chat, "responses": responses, "anthropic": messages, "gemini": google}.items():
    read, direct = at(os.environ["BASE_URL"]), at(os.environ["MOCK_URL"])
    for provider in dict.fromkeys(r["provider"] for r in recordings):
        told = [r for r in recordings if r["provider"] == provider and dialect in r["clients"]]
        wrong, same = [], 0
        for want in told:
            what = differs(read, want)
            if what and want["dialect"] == dialect and differs(direct, want) == what:  # the SDK reads it like that from the vendor
                same += 1
            elif what:
                wrong.append(f"{want['name']} ({want['dialect']}{', streamed' if want['stream'] else ''}): {what}")
        note = f", {same} of them as without a gateway" if same else ""
        if told:
            check(f"{at.__name__} reads {len(told)} answers of {provider}{note}")(lambda: judge(wrong))
end()
