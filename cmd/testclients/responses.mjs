// The official OpenAI SDK for Node, its Responses, against a mock of OpenAI behind a gateway.
// Environment: BASE_URL, API_KEY, MOCK_URL. Prints a line per check; exits 1 where one fails.
import OpenAI from "openai";
import { check, end, equal, raises } from "./checks.mjs";

const baseURL = process.env.BASE_URL + "/v1";
const client = new OpenAI({ baseURL, apiKey: process.env.API_KEY, maxRetries: 0, timeout: 60000 });
const tools = [{ type: "function", name: "lookup", description: "looks up", parameters: { type: "object", properties: {} }, strict: false }];
const rich = { input: "hello", instructions: "be brief", tools, reasoning: { effort: "low", summary: "auto" } };

async function read(model) {
  const events = [];
  for await (const event of await client.responses.create({ model, input: "hello", stream: true })) events.push(event);
  return events;
}

await check("responses: unary", async () => {
  const answer = await client.responses.create({ model: "mock", ...rich });
  if (!answer.output_text.startsWith("The quick brown fox")) throw new Error(answer.output_text);
  equal(answer.output.map((item) => item.type), ["reasoning", "message", "function_call"]);
  equal(answer.output[2].arguments, '{"animal":"fox","legs":4}');
  equal(answer.status, "completed");
  if (!(answer.usage.total_tokens > 0)) throw new Error("no usage");
  if (!answer._request_id?.startsWith("req_")) throw new Error(`request id ${answer._request_id}`);
});
await check("responses: streaming", async () => {
  for (const model of ["mock", "mock+fault=sse-noise", "mock+fault=sse-split+chunks=3"]) {
    const events = await read(model);
    const text = events.filter((e) => e.type === "response.output_text.delta").map((e) => e.delta).join("");
    if (!text.startsWith("token000 token001 ")) throw new Error(`${model}: ${text}`);
    const done = events.at(-1);
    equal(done.type, "response.completed");
    equal(done.response.output[0].content[0].text, text);
  }
});
await check("responses: streaming, put together", async () => {
  const stream = client.responses.stream({ model: "mock", ...rich });
  const kinds = new Set();
  for await (const event of stream) kinds.add(event.type);
  const final = await stream.finalResponse();
  for (const kind of ["response.reasoning_summary_text.delta", "response.function_call_arguments.delta"]) if (!kinds.has(kind)) throw new Error(`no ${kind}`);
  equal(final.output[2].arguments, '{"animal":"fox","legs":4}');
  if (!final.output_text.endsWith("token049 ")) throw new Error(final.output_text);
});
await check("responses: the count of input tokens", async () => {
  equal((await client.responses.inputTokens.count({ model: "mock", input: "hello" })).input_tokens, 19);
});
await check("responses: an unknown model is NotFoundError", async () => {
  const err = await raises(OpenAI.NotFoundError, () => client.responses.create({ model: "none", input: "hello" }));
  equal(err.code, "model_not_found");
  if (!err.requestID) throw new Error("no request id");
});
await check("responses: what is not stored: NotFoundError", async () => {
  await raises(OpenAI.NotFoundError, () => client.responses.retrieve("resp_1"));
  await raises(OpenAI.NotFoundError, () => client.responses.cancel("resp_1"));
  await raises(OpenAI.NotFoundError, () => client.responses.delete("resp_1"));
});
await check("responses: wrong types are BadRequestError", async () => {
  await raises(OpenAI.BadRequestError, () => client.responses.create({ model: "mock", input: "hello", stream: "yes" }));
});
await check("responses: a wrong key is AuthenticationError", async () => {
  const other = new OpenAI({ baseURL, apiKey: "wrong", maxRetries: 0 });
  await raises(OpenAI.AuthenticationError, () => other.responses.create({ model: "mock", input: "hello" }));
});
await check("responses: a limit is RateLimitError", async () => {
  const err = await raises(OpenAI.RateLimitError, () => client.responses.create({ model: "mock+fault=429", input: "hello" }));
  equal(err.headers.get("retry-after"), "1");
});
await check("responses: a broken upstream is InternalServerError", async () => {
  await raises(OpenAI.InternalServerError, () => client.responses.create({ model: "mock+fault=500", input: "hello" }));
});
await check("responses: a stream that breaks off is an error", async () => {
  for (const model of ["mock+fault=sse-cut", "mock+fault=sse-reset", "mock+fault=sse-bad"]) {
    const err = await raises(OpenAI.APIError, () => read(model));
    equal([model, err.code], [model, "upstream_cut"]);
  }
});
await check("responses: an error that the upstream sends in a stream is one", async () => {
  const err = await raises(OpenAI.APIError, () => read("mock+fault=sse-error"));
  equal(err.code, "server_error");
});
async function cancelled() {
  return (await (await fetch(process.env.MOCK_URL + "/__stats")).json()).cancelled;
}
await check("responses: a stream that is left ends at the upstream", async () => {
  const before = await cancelled();
  for await (const _ of await client.responses.create({ model: "mock+gap=50ms+chunks=1000", input: "hello", stream: true })) break;
  for (const end = Date.now() + 30000; (await cancelled()) === before; ) {
    if (Date.now() > end) throw new Error("it goes on");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
end();
