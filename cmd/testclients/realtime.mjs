// The official OpenAI SDK for Node in a realtime session through a gateway. Environment: BASE_URL, API_KEY, MODEL.
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { check, end, equal } from "./checks.mjs";

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
end();
