// The official OpenAI SDK for Node through a gateway: realtime sessions, files and batches. Environment: BASE_URL, API_KEY, MODEL.
import OpenAI, { toFile } from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { check, end, equal, raises } from "./checks.mjs";

const options = { baseURL: process.env.BASE_URL + "/v1", maxRetries: 0, timeout: 60000 };
const client = new OpenAI({ ...options, apiKey: process.env.API_KEY });
const model = process.env.MODEL;

// open resolves with a session and what it hears, or rejects with the error that there was in its place.
function open(client, model) {
  return new Promise((resolve, reject) => {
    const rt = new OpenAIRealtimeWS({ model }, client);
    const heard = [], waiting = [];
    rt.on("error", reject);
    rt.on("event", (event) => (waiting.length ? waiting.shift()(event) : heard.push(event)));
    const next = () => (heard.length ? Promise.resolve(heard.shift()) : new Promise((done) => waiting.push(done)));
    rt.socket.on("open", () => resolve({ rt, next }));
  });
}

await check("realtime, a session", async () => {
  const { rt, next } = await open(client, model);
  equal((await next()).type, "session.created");
  rt.send({ type: "session.update", session: { type: "realtime", model, output_modalities: ["text"] } });
  equal((await next()).type, "session.updated");
  for (const words of ["one two", "three"]) {
    rt.send({ type: "conversation.item.create", item: { type: "message", role: "user", content: [{ type: "input_text", text: words }] } });
    rt.send({ type: "response.create" });
    let text = "", event;
    while ((event = await next()).type !== "response.done") text += event.delta;
    equal(text, words);
    equal(event.response.usage.total_tokens, 7);
  }
  const closed = new Promise((done) => rt.socket.on("close", done));
  rt.close({ code: 1000, reason: "OK" });
  equal(await closed, 1000);
});
await check("realtime, a wrong key", async () => {
  const err = await open(new OpenAI({ ...options, apiKey: "wrong" }), model).then(() => null, (err) => err);
  if (!/401/.test(err?.message + err?.cause)) throw new Error(`${err?.stack}`);
});
await check("realtime, an unknown model", async () => {
  const err = await open(client, "no-such-model").then(() => null, (err) => err);
  if (!/404/.test(err?.message + err?.cause)) throw new Error(`${err?.stack}`);
});

const call = (id, model) => JSON.stringify({ custom_id: id, method: "POST", url: "/v1/chat/completions", body: { model, messages: [{ role: "user", content: "hi" }] } }) + "\n";

await check("files", async () => {
  const sent = [];
  for (const words of ["one", "two", "three"]) sent.push((await client.files.create({ file: await toFile(Buffer.from(words), "a.txt"), purpose: "user_data" })).id);
  const listed = [];
  for await (const file of client.files.list({ limit: 2 })) listed.push(file.id);
  equal(listed, sent);
  equal((await client.files.retrieve(sent[1])).bytes, 3);
  equal(await (await client.files.content(sent[1])).text(), "two");
  equal((await client.files.delete(sent[1])).deleted, true);
  await raises(OpenAI.NotFoundError, () => client.files.content(sent[1]));
});
await check("batches", async () => {
  const input = await client.files.create({ file: await toFile(Buffer.from(call("1", model) + call("2", model)), "calls.jsonl"), purpose: "batch" });
  const { id } = await client.batches.create({ input_file_id: input.id, endpoint: "/v1/chat/completions", completion_window: "24h" });
  const batch = await client.batches.retrieve(id);
  equal(batch.status, "completed");
  const lines = (await (await client.files.content(batch.output_file_id)).text()).trim().split("\n").map((line) => JSON.parse(line).body.model);
  equal(lines, ["vendors-own", "vendors-own"]);
  const listed = [];
  for await (const b of client.batches.list()) listed.push(b.id);
  equal(listed, [id]);
});
await check("batches, a model that is none", async () => {
  const err = await raises(OpenAI.BadRequestError, async () => client.files.create({ file: await toFile(Buffer.from(call("1", model) + call("2", "none")), "calls.jsonl"), purpose: "batch" }));
  if (!/line 2/.test(err.message)) throw err;
});
end();
