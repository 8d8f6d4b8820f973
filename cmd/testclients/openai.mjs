// The official OpenAI SDK for Node against a gateway. Environment: BASE_URL, API_KEY, MODEL; with
// FAULTS=1 also the models that fail on purpose. Prints a line per check; exits 1 where one fails.
import OpenAI from "openai";
import { check, end, equal, raises } from "./checks.mjs";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0, timeout: 60000 });
const model = process.env.MODEL;
const say = [{ role: "user", content: "one two three four" }];


await check("chat, unary", async () => {
  const answer = await client.chat.completions.create({ model, messages: say });
  equal(answer.choices[0].message.content, "one two three four");
  equal(answer.choices[0].finish_reason, "stop");
  if (!(answer.usage.total_tokens > 0)) throw new Error("no usage");
  if (!answer._request_id?.startsWith("req_")) throw new Error(`request id ${answer._request_id}`);
});
await check("chat, streaming, with usage", async () => {
  const stream = await client.chat.completions.create({ model, messages: say, stream: true, stream_options: { include_usage: true } });
  let text = "", finish, usage, chunks = 0;
  for await (const chunk of stream) {
    chunks++;
    text += chunk.choices[0]?.delta?.content ?? "";
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  equal(text, "one two three four");
  equal(finish, "stop");
  if (!(usage?.total_tokens > 0)) throw new Error("no usage");
  if (chunks < 4) throw new Error(`${chunks} chunks`);
});
await check("chat, a stream that is left", async () => {
  const stream = await client.chat.completions.create({ model, messages: [{ role: "user", content: "a ".repeat(500) }], stream: true });
  for await (const _ of stream) break;
});
await check("embeddings", async () => {
  const answer = await client.embeddings.create({ model, input: ["one", "two"] });
  equal(answer.data.length, 2);
  if (!(answer.data[0].embedding.length > 0) || typeof answer.data[0].embedding[0] !== "number") throw new Error("no numbers");
});
await check("models", async () => {
  const names = [];
  for await (const m of client.models.list()) names.push(m.id);
  if (!names.includes(model)) throw new Error(names.join());
  equal((await client.models.retrieve(model)).id, model);
});
await check("an unknown model is NotFoundError", async () => {
  const err = await raises(OpenAI.NotFoundError, () => client.chat.completions.create({ model: "no-such-model", messages: say }));
  if (!err.requestID) throw new Error("no request id");
});
await check("a wrong key is AuthenticationError", async () => {
  const other = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: "wrong", maxRetries: 0 });
  await raises(OpenAI.AuthenticationError, () => other.models.list());
});
await check("invalid JSON types are BadRequestError", async () => {
  await raises(OpenAI.BadRequestError, () => client.chat.completions.create({ model, messages: say, stream: "yes" }));
});
await check("a limit is RateLimitError", async () => {
  const err = await raises(OpenAI.RateLimitError, () => client.chat.completions.create({ model, messages: [{ role: "user", content: "echo:429" }] }));
  if (!err.headers.get("retry-after")) throw new Error("no retry-after");
});
await check("a cut stream is an error", async () => {
  await raises(OpenAI.APIError, async () => {
    const stream = await client.chat.completions.create({ model, messages: [{ role: "user", content: "echo:cut one two three four five six" }], stream: true });
    for await (const _ of stream);
  });
});
end();
