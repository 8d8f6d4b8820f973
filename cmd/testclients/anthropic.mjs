// The official Anthropic SDK for Node against a mock of Anthropic behind a gateway. Environment:
// BASE_URL, API_KEY, MOCK_URL. Prints a line per check; exits 1 where one fails.
import Anthropic from "@anthropic-ai/sdk";
import { check, end, equal, raises } from "./checks.mjs";

const client = new Anthropic({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0, timeout: 60000 });
const ask = { max_tokens: 2048, messages: [{ role: "user", content: "hello" }] };
const rich = {
  ...ask,
  tools: [{ name: "lookup", description: "looks up", input_schema: { type: "object", properties: {} } }],
  thinking: { type: "enabled", budget_tokens: 1024 },
};


await check("a message", async () => {
  const answer = await client.messages.create({ model: "mock", ...ask });
  if (!answer.content[0].text.startsWith("The quick brown fox")) throw new Error(JSON.stringify(answer));
  equal([answer.stop_reason, answer.usage.input_tokens], ["end_turn", 19]);
  if (!answer._request_id?.startsWith("req_0")) throw new Error(`request id ${answer._request_id}`);
});
await check("a stream, put together by the SDK", async () => {
  for (const model of ["mock", "mock+fault=sse-noise", "mock+fault=sse-split"]) {
    const stream = client.messages.stream({ model, ...ask });
    let text = "";
    stream.on("text", (t) => (text += t));
    const answer = await stream.finalMessage();
    equal(text, answer.content[0].text);
    if (!text.startsWith("token000 token001")) throw new Error(text);
    equal(answer.stop_reason, "end_turn");
  }
});
await check("thinking and a tool's call, whole and as a stream", async () => {
  for (const answer of [await client.messages.create({ model: "mock", ...rich }), await client.messages.stream({ model: "mock", ...rich }).finalMessage()]) {
    equal(answer.content.map((b) => b.type), ["thinking", "text", "tool_use"]);
    equal(answer.content[0].signature, "bW9jaw==");
    equal(answer.content[2].input, { animal: "fox", legs: 4 });
    equal(answer.stop_reason, "tool_use");
  }
});
const cancelled = async () => (await (await fetch(`${process.env.MOCK_URL}/__stats`)).json()).cancelled;
await check("a stream that is left is cancelled upstream", async () => {
  const before = await cancelled();
  const stream = await client.messages.create({ model: "mock+gap=50ms+chunks=1000", stream: true, ...ask });
  for await (const _ of stream) break;
  for (const end = Date.now() + 60000; (await cancelled()) === before; await new Promise((next) => setTimeout(next, 10)))
    if (Date.now() > end) throw new Error("the upstream's call goes on");
});
await check("counting tokens, and the beta form", async () => {
  equal((await client.messages.countTokens({ model: "mock", messages: ask.messages })).input_tokens, 19);
  equal((await client.beta.messages.create({ model: "mock", betas: ["a-2025-01-01"], ...ask })).content[0].type, "text");
});
await check("models", async () => {
  const names = [];
  for await (const m of client.models.list()) names.push(m.id);
  if (!names.includes("mock")) throw new Error(names.join());
  equal((await client.models.retrieve("mock")).type, "model");
});
await check("errors are those of the vendor", async () => {
  for (const [model, kind, status, type] of [
    ["none", Anthropic.NotFoundError, 404, "not_found_error"],
    ["mock+fault=429", Anthropic.RateLimitError, 429, "rate_limit_error"],
    ["mock+fault=529", Anthropic.InternalServerError, 529, "overloaded_error"],
    ["mock+fault=html500", Anthropic.InternalServerError, 500, "api_error"],
    ["mock+fault=401", Anthropic.InternalServerError, 502, "api_error"],
  ]) {
    const err = await raises(kind, () => client.messages.create({ model, ...ask }));
    equal([err.status, err.type], [status, type]);
    if (!err.requestID) throw new Error(`${model}: no request id`);
  }
  const err = await raises(Anthropic.BadRequestError, () => client.messages.create({ model: "mock", ...ask, stream: "yes" }));
  equal([err.type, err.errorCode], ["invalid_request_error", "invalid_request"]);
  const image = [{ type: "image", source: { type: "url", url: "https://example.com/a.png" } }];
  const denied = await raises(Anthropic.PermissionDeniedError, () =>
    client.messages.create({ model: "mock", max_tokens: 1, messages: [{ role: "user", content: image }] }));
  equal([denied.type, denied.errorCode], ["permission_error", "denied"]);
});
await check("a wrong key is AuthenticationError", async () => {
  const other = new Anthropic({ baseURL: process.env.BASE_URL, apiKey: "wrong", maxRetries: 0 });
  await raises(Anthropic.AuthenticationError, () => other.models.list());
  await raises(Anthropic.AuthenticationError, () => other.messages.create({ model: "mock", ...ask }));
});
await check("a broken stream is an error", async () => {
  for (const model of ["mock+fault=sse-cut", "mock+fault=sse-reset", "mock+fault=sse-error", "mock+fault=sse-bad"]) {
    const err = await raises(Anthropic.APIError, async () => {
      for await (const _ of await client.messages.create({ model, stream: true, ...ask }));
    });
    if (!["api_error", "overloaded_error"].includes(err.type)) throw new Error(`${model}: ${err.type}`);
  }
});
end();
