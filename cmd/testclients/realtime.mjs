// The official OpenAI SDK for Node through a gateway: realtime sessions, files, batches, stored responses and media. Environment: BASE_URL, API_KEY, MODEL.
import { createHash, randomBytes } from "node:crypto";
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
  const listed = async (order) => {
    const ids = [];
    for await (const file of client.files.list({ limit: 2, ...order })) ids.push(file.id);
    return ids;
  };
  equal(await listed(), [...sent].reverse()); // the newest first
  equal(await listed({ order: "asc" }), sent);
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

await check("stored responses", async () => {
  const first = await client.responses.create({ model, input: "one" });
  const second = await client.responses.create({ model, input: "two", previous_response_id: first.id });
  equal(second.output_text, "one two");
  const third = await client.responses.create({ model, input: [{ type: "item_reference", id: second.output[0].id }] });
  equal((await client.responses.retrieve(second.id)).output_text, "one two");
  const asked = [];
  for await (const item of client.responses.inputItems.list(second.id)) asked.push(item.content[0].text);
  equal(asked, ["one two"]);
  const events = [];
  for await (const event of await client.responses.retrieve(second.id, { stream: true, starting_after: 0 })) events.push(event.type);
  equal(events, ["response.completed"]);
  await client.responses.delete(third.id);
  await raises(OpenAI.NotFoundError, () => client.responses.retrieve(third.id));
  const err = await raises(OpenAI.NotFoundError, () => client.responses.create({ model, input: "x", previous_response_id: "resp_none" }));
  equal(err.code, "previous_response_not_found");
  await raises(OpenAI.NotFoundError, () => client.responses.create({ model, input: [{ type: "item_reference", id: "msg_none" }] }));
});
await check("background responses", async () => {
  let begun = await client.responses.create({ model, input: "later", background: true });
  const seen = [begun.status];
  while (["queued", "in_progress"].includes(seen.at(-1))) seen.push((begun = await client.responses.retrieve(begun.id)).status);
  equal(seen, ["queued", "in_progress", "completed"]);
  equal(begun.output_text, "later");
  const other = await client.responses.create({ model, input: "never", background: true });
  equal((await client.responses.cancel(other.id)).status, "cancelled");
});

await check("conversations", async () => {
  const { id } = await client.conversations.create({ items: [{ type: "message", role: "user", content: "before" }] });
  equal((await client.responses.create({ model, input: "now", conversation: id })).output_text, "before now");
  equal((await client.conversations.retrieve(id)).id, id);
  await client.conversations.items.create(id, { items: [{ type: "message", role: "user", content: "x" }] });
  const said = [];
  for await (const item of client.conversations.items.list(id, { limit: 5 })) said.push(item.content[0].text);
  equal(said, ["before"]);
  equal((await client.conversations.delete(id)).deleted, true);
  await raises(OpenAI.NotFoundError, () => client.conversations.retrieve(id));
  await raises(OpenAI.NotFoundError, () => client.responses.create({ model, input: "x", conversation: "conv_none" }));
});

const sound = randomBytes(3 << 20); // more of it than the gateway keeps in memory
const sum = (b) => createHash("sha256").update(b).digest("hex");
const unknown = async (what) => raises(OpenAI.NotFoundError, what);

await check("completions", async () => {
  equal((await client.completions.create({ model, prompt: "once upon" })).choices[0].text, "once upon");
  let text = "";
  for await (const c of await client.completions.create({ model, prompt: "once upon", stream: true })) text += c.choices[0].text;
  equal(text, "once upon!");
  await unknown(() => client.completions.create({ model: "none", prompt: "once upon" }));
});
await check("moderations", async () => {
  for (const input of ["good", "bad"]) equal((await client.moderations.create({ model, input })).results[0].flagged, input === "bad");
});
await check("images", async () => {
  const data = async (answer) => Buffer.from((await answer).data[0].b64_json, "base64").toString();
  equal(await data(client.images.generate({ model, prompt: "a fox" })), "a fox");
  equal(await data(client.images.edit({ model, prompt: "a fox", image: await toFile(sound, "a.png", { type: "image/png" }) })), "a fox " + sum(sound));
  await unknown(async () => client.images.edit({ model: "none", prompt: "a fox", image: await toFile(sound, "a.png", { type: "image/png" }) }));
});
await check("speech, transcriptions, translations", async () => {
  const said = Buffer.from(await (await client.audio.speech.create({ model, voice: "alloy", input: "hello" })).arrayBuffer());
  equal(said.toString("latin1"), "\xff\xf3hello");
  equal((await client.audio.transcriptions.create({ model, file: await toFile(sound, "a.wav") })).text, sum(sound));
  equal((await client.audio.translations.create({ file: await toFile(sound, "a.wav"), model })).text, sum(sound));
  let text = "";
  for await (const e of await client.audio.transcriptions.create({ file: await toFile(sound, "a.wav"), model, stream: true })) text += e.delta ?? "";
  equal(text, sum(sound));
});
await check("an upload with a wrong key", async () => {
  const stranger = new OpenAI({ ...options, apiKey: "wrong" }), large = randomBytes(20 << 20);
  for (const file of [sound, large]) await raises(OpenAI.AuthenticationError, async () => stranger.audio.transcriptions.create({ model, file: await toFile(file, "a.wav") }));
});
end();
