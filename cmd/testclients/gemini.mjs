// The official Google Gen AI SDK for Node against a gateway. Environment: BASE_URL, API_KEY, MODEL, and
// MOCK_URL of the upstream behind it. Prints a line per check; exits 1 where one fails.
import { ApiError, GoogleGenAI } from "@google/genai";
import { check, end, equal, raises } from "./checks.mjs";

const connect = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: process.env.BASE_URL, timeout: 60000 } });
const client = connect(process.env.API_KEY);
const model = process.env.MODEL;

const refused = async (status, run) => equal((await raises(ApiError, run)).status, status);
async function read(model) {
  let text = "";
  for await (const chunk of await client.models.generateContentStream({ model, contents: "hello" })) text += chunk.text ?? "";
  return text;
}
const cancelled = async () => (await (await fetch(process.env.MOCK_URL + "/__stats")).json()).cancelled;

await check("generate, unary", async () => {
  const answer = await client.models.generateContent({ model, contents: "hello", config: { systemInstruction: "be terse", maxOutputTokens: 5 } });
  if (!answer.text.startsWith("The quick brown fox")) throw new Error(answer.text);
  equal(answer.candidates[0].finishReason, "STOP");
  equal(answer.usageMetadata.totalTokenCount, 249);
  if (!answer.sdkHttpResponse.headers["x-request-id"]?.startsWith("req_")) throw new Error("no request id");
});
await check("generate, streaming", async () => {
  let text = "", finish, usage;
  for await (const chunk of await client.models.generateContentStream({ model, contents: "hello" })) {
    text += chunk.text ?? "";
    finish = chunk.candidates[0].finishReason ?? finish;
    usage = chunk.usageMetadata ?? usage;
  }
  if (!text.startsWith("token000 token001 ") || !text.endsWith("token049 ")) throw new Error(text);
  equal(finish, "STOP");
  equal(usage.totalTokenCount, 69);
});
await check("a stream that is left", async () => {
  const before = await cancelled();
  const leave = new AbortController();
  const stream = await client.models.generateContentStream({ model: "mock+gap=50ms+chunks=1000", contents: "hello", config: { abortSignal: leave.signal } });
  for await (const _ of stream) break;
  leave.abort();
  for (let i = 0; (await cancelled()) === before; i++) {
    if (i === 300) throw new Error("the upstream's call goes on");
    await new Promise((done) => setTimeout(done, 100));
  }
});
await check("tokens, embeddings", async () => {
  equal((await client.models.countTokens({ model, contents: "hello" })).totalTokens, 19);
  const answer = await client.models.embedContent({ model, contents: ["one", "two"] });
  equal(answer.embeddings.length, 2);
  if (typeof answer.embeddings[0].values[0] !== "number") throw new Error("no numbers");
});
await check("models", async () => {
  const names = [];
  for await (const m of await client.models.list({ config: { queryBase: true } })) names.push(m.name);
  if (!names.includes("models/" + model)) throw new Error(names.join());
  equal((await client.models.get({ model })).name, "models/" + model);
});
await check("an unknown model is 404", () => refused(404, () => client.models.generateContent({ model: "no-such-model", contents: "hello" })));
await check("a wrong key is 401", () => refused(401, () => connect("wrong").models.generateContent({ model, contents: "hello" })));
await check("a limit is 429, unary and streaming", async () => {
  await refused(429, () => client.models.generateContent({ model: "mock+fault=429", contents: "hello" }));
  await refused(429, () => read("mock+fault=429"));
});
await check("an upstream's failure is 500", () => refused(500, () => client.models.generateContent({ model: "mock+fault=500", contents: "hello" })));
await check("a stream that breaks is an error", async () => {
  await refused(502, () => read("mock+fault=sse-cut"));
  await refused(502, () => read("mock+fault=sse-reset"));
  await refused(500, () => read("mock+fault=sse-error"));
});
end();
